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

// pages reads the pages of a bbolt file without trusting them. bbolt answers
// damage with panics, some of them in goroutines of its own, so a file is read
// this way before bbolt opens it to write.
//
// bbolt writes a page without gaps: a header, an entry for each element, then
// the keys and values one after another. Any other layout is damage, so a
// flipped bit in a header or an entry shows.
//
// What is damaged is left out and noted, and reading goes on behind it: a
// damaged store is read for what can be saved.
type pages struct {
	ctx         context.Context //nolint:containedctx // reading ends with it
	file        *os.File
	size        int64 // of a page
	root        uint64
	freelist    uint64
	transaction uint64
	used        []bool // by page
	fault       error  // the first that was found
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
	longList     = 0xFFFF // as a count of free pages: the real one comes first
)

// bolt is the byte order of bbolt's files, which is that of the machine.
var bolt = binary.NativeEndian

// openPages reads a file as a transaction sees it: until that ends, bbolt
// reuses none of its pages.
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

// metas checks the first two pages, which transactions write in turn. bbolt
// makes do with one of them; but the one that is left may be that of the
// transaction before the last, without the messages that were stored last.
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

// fail notes what is wrong with the file.
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

// read returns a page with those that it continues on.
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
		return nil, fmt.Errorf("it says that it is the pages %d to %d", said, last)
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

// free checks the list of free pages, after all pages in use have been read. A
// file need not have one: they are those that are not in use.
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
			p.failPage(p.freelist, fmt.Errorf("it says that page %d is free", id))
			return
		}
		p.used[id] = true
	}
}

// element is what a page says of a key.
type element struct {
	key, value []byte
	bucket     bool   // the value is one
	page       uint64 // in a branch, the page with this key and those up to the next
}

// tree visits the elements of a page, or of those below a branch, in the order
// of their keys, which are at least min and less than max.
func (p *pages) tree(id uint64, min, max []byte, visit func(element)) {
	page, err := p.read(id)
	if err == nil {
		err = p.node(page, p.size, min, max, visit)
	}
	p.failPage(id, err)
}

// node is tree for a page that has been read. Its length is that of its
// elements, rounded up to a multiple of unit.
func (p *pages) node(page []byte, unit int64, min, max []byte, visit func(element)) error {
	list, length, err := elements(page)
	if err != nil {
		return err
	}
	if rounded := (int64(length) + unit - 1) / unit * unit; int64(len(page)) != rounded {
		return errors.New("its length is not that of its elements")
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
		return nil, 0, fmt.Errorf("it is of no known kind: %#x", kind)
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
			return nil, 0, fmt.Errorf("element %d is of no known kind", i)
		case start+uint64(position) != length || end > uint64(len(page)) || key == 0:
			return nil, 0, fmt.Errorf("element %d is not where it should be", i)
		}
		e.bucket, e.key, e.value = flags == 1, page[length:middle], page[middle:end]
		list, length = append(list, e), end
	}
	return list, length, nil
}

// bucket visits the elements of a bucket, which are in pages of their own or
// within its value, and returns the highest sequence number that it has given
// out.
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
