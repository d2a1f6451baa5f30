package delivery

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"os"

	"go.etcd.io/bbolt"
)

// pages reads the pages of a bbolt file without trusting them. bbolt panics on
// damage, in some cases in goroutines of its own, so Open reads a file in this
// way before bbolt writes to it.
//
// bbolt writes a page without gaps: a header, an entry for each element, then
// the keys and values one after another. Any other layout is damage, so a
// flipped bit in a header or an entry shows.
//
// Damage is noted, and reading continues behind it, to find the messages that
// can be saved.
type pages struct {
	ctx         context.Context //nolint:containedctx // reading ends with it
	file        *os.File
	size        int64 // of a page
	root        uint64
	freelist    uint64
	transaction uint64
	used        []bool // by page
	fault       error  // the first one
}

const (
	metaPages    = 2 // at the start of the file
	pageHeader   = 16
	pageEntry    = 16
	bucketHeader = 16
	branchPage   = 1
	leafPage     = 2
	freelistPage = 16
	noFreelist   = ^uint64(0)
	longList     = 0xFFFF // in place of the count, which then comes before the list
)

// bolt is the byte order of bbolt's files: the machine's.
var bolt = binary.NativeEndian

// openPages prepares to read a file as a transaction sees it. Until the
// transaction ends, bbolt reuses none of its pages.
func openPages(ctx context.Context, file *os.File, tx *bbolt.Tx) (*pages, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if tx.Size() > info.Size() {
		return nil, fmt.Errorf("%w: it has %d bytes and should have %d", ErrDamaged, info.Size(), tx.Size())
	}
	size := int64(tx.DB().Info().PageSize)
	return &pages{
		ctx: ctx, file: file, size: size, root: uint64(tx.Cursor().Bucket().Root()), freelist: noFreelist,
		transaction: uint64(tx.ID()), used: make([]bool, tx.Size()/size),
	}, nil
}

// metas checks the first two pages, which transactions write in turn. For
// bbolt one of them is enough. But that may be the one of the last transaction
// but one, without the messages that were stored last.
func (p *pages) metas() {
	sum := uint64(0)
	for i := range int64(metaPages) {
		var m struct {
			Magic, Version, PageSize, Flags                      uint32
			Root, Sequence, Freelist, End, Transaction, Checksum uint64
		}
		page := make([]byte, binary.Size(m))
		_, err := p.file.ReadAt(page, i*p.size+pageHeader)
		if err == nil {
			_, err = binary.Decode(page, bolt, &m)
		}
		hash := fnv.New64a()
		_, _ = hash.Write(page[:len(page)-8])
		if err == nil && hash.Sum64() != m.Checksum {
			err = errors.New("it does not match its checksum")
		}
		p.failPage(uint64(i), err)
		if err == nil && m.Transaction == p.transaction {
			p.freelist = m.Freelist
		}
		sum += m.Transaction
	}
	if sum != 2*p.transaction-1 {
		p.fail(errors.New("its first pages do not belong together"))
	}
}

// fail notes the first fault of the file.
func (p *pages) fail(err error) {
	if p.fault == nil {
		p.fault = err
	}
}

func (p *pages) failPage(page uint64, err error) {
	if err != nil {
		p.fail(fmt.Errorf("page %d: %w", page, err))
	}
}

// read returns a page with the pages that it continues on.
func (p *pages) read(id uint64) ([]byte, error) {
	if err := p.ctx.Err(); err != nil {
		return nil, err
	}
	end := uint64(len(p.used))
	if id < metaPages || id >= end {
		return nil, errors.New("there is no such page")
	}
	data := make([]byte, p.size)
	if _, err := p.file.ReadAt(data, int64(id)*p.size); err != nil {
		return nil, err
	}
	last := id + uint64(bolt.Uint32(data[12:]))
	if said := bolt.Uint64(data); said != id || last >= end {
		return nil, fmt.Errorf("its header is that of the pages %d to %d", said, last)
	}
	for i := id; i <= last; i++ {
		if p.used[i] {
			return nil, errors.New("it is in use twice")
		}
		p.used[i] = true
	}
	if last == id {
		return data, nil
	}
	data = make([]byte, int64(last-id+1)*p.size)
	_, err := p.file.ReadAt(data, int64(id)*p.size)
	return data, err
}

// free checks the list of free pages, after all pages in use have been read.
// Most files have none, because the other pages are free.
func (p *pages) free() {
	if p.freelist == noFreelist {
		return
	}
	page, err := p.read(p.freelist)
	if err != nil {
		p.failPage(p.freelist, err)
		return
	}
	count, list := uint64(bolt.Uint16(page[10:])), page[pageHeader:]
	if count == longList {
		count, list = bolt.Uint64(list), list[8:]
	}
	if bolt.Uint16(page[8:]) != freelistPage || count > uint64(len(list)/8) {
		p.failPage(p.freelist, errors.New("it is not a list of free pages"))
		return
	}
	for i := range count {
		id := bolt.Uint64(list[8*i:])
		if id < metaPages || id >= uint64(len(p.used)) || p.used[id] {
			p.failPage(p.freelist, fmt.Errorf("it lists page %d, which is not free", id))
			return
		}
		p.used[id] = true
	}
}

// element is an element of a page.
type element struct {
	key, value []byte
	bucket     bool   // the value is a bucket
	page       uint64 // in a branch, the page with the keys from this one to the next
}

// tree visits the elements of a page, or of the pages below a branch, in the
// order of their keys, which are at least min and less than max.
func (p *pages) tree(id uint64, min, max []byte, visit func(element)) {
	page, err := p.read(id)
	if err == nil {
		err = p.node(page, p.size, min, max, visit)
	}
	p.failPage(id, err)
}

// node is like tree for a page that has been read. Its length is the length of
// its elements, rounded up to a multiple of unit.
func (p *pages) node(page []byte, unit int64, min, max []byte, visit func(element)) error {
	list, length, err := elements(page)
	if err != nil {
		return err
	}
	if rounded := (int64(length) + unit - 1) / unit * unit; int64(len(page)) != rounded {
		return errors.New("its length does not match its elements")
	}
	for i, e := range list {
		if i > 0 && bytes.Compare(list[i-1].key, e.key) >= 0 || bytes.Compare(e.key, min) < 0 ||
			max != nil && bytes.Compare(e.key, max) >= 0 {
			return fmt.Errorf("element %d is not in order", i)
		}
	}
	for i, e := range list {
		next := max
		if i+1 < len(list) {
			next = list[i+1].key
		}
		if e.page > 0 {
			p.tree(e.page, e.key, next, visit)
		} else {
			visit(e)
		}
	}
	return nil
}

// elements takes a page apart.
func elements(page []byte) (list []element, length uint64, err error) {
	if len(page) < pageHeader {
		return nil, 0, errors.New("it is cut off")
	}
	kind, count := bolt.Uint16(page[8:]), uint64(bolt.Uint16(page[10:]))
	length = pageHeader + count*pageEntry
	switch {
	case kind != branchPage && kind != leafPage:
		return nil, 0, fmt.Errorf("its kind is unknown: %#x", kind)
	case length > uint64(len(page)), kind == branchPage && count == 0:
		return nil, 0, fmt.Errorf("it cannot have %d elements", count)
	}
	for i := range count {
		var e element
		var flags, position, key, value uint32
		start := pageHeader + i*pageEntry
		entry := page[start:]
		if kind == branchPage {
			position, key, e.page = bolt.Uint32(entry), bolt.Uint32(entry[4:]), bolt.Uint64(entry[8:])
		} else {
			flags, position = bolt.Uint32(entry), bolt.Uint32(entry[4:])
			key, value = bolt.Uint32(entry[8:]), bolt.Uint32(entry[12:])
		}
		middle := length + uint64(key)
		end := middle + uint64(value)
		switch {
		case flags > 1 || kind == branchPage && e.page == 0:
			return nil, 0, fmt.Errorf("the kind of element %d is unknown", i)
		case start+uint64(position) != length || end > uint64(len(page)) || key == 0:
			return nil, 0, fmt.Errorf("element %d is not where it should be", i)
		}
		e.bucket, e.key, e.value = flags == 1, page[length:middle], page[middle:end]
		list, length = append(list, e), end
	}
	return list, length, nil
}

// bucket visits the elements of a bucket, which are in pages of their own or
// within its value. It returns the last sequence number of the bucket.
func (p *pages) bucket(value []byte, visit func(element)) (sequence uint64) {
	if len(value) < bucketHeader {
		p.fail(errors.New("a bucket is cut off"))
		return 0
	}
	if root := bolt.Uint64(value); root != 0 {
		p.tree(root, nil, nil, visit)
	} else if err := p.node(value[bucketHeader:], 1, nil, nil, visit); err != nil {
		p.fail(fmt.Errorf("a bucket within a page: %w", err))
	}
	return bolt.Uint64(value[8:])
}
