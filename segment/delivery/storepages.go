package delivery

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
)

// pages reads the pages of a bbolt file without trusting them. bbolt answers damage with panics,
// some of them in goroutines of its own, so a file is read this way before bbolt opens it.
//
// bbolt writes a page without gaps: a header, an entry for each element, then the keys and values
// one after another. Any other layout is damage, so a flipped bit in a header or an entry shows.
type pages struct {
	file io.ReaderAt
	meta
	used  []bool // by page
	fault error  // the first that was found
}

// meta is what bbolt's two meta pages say. Transactions write them in turn.
type meta struct {
	pageSize    int64
	root        uint64 // the page of the outermost bucket
	freelist    uint64
	end         uint64 // the page after the last one
	transaction uint64
}

const (
	metaPages      = 2 // at the start of the file
	pageHeader     = 16
	pageEntry      = 16
	bucketHeader   = 16
	branchPage     = 1
	leafPage       = 2
	freelistPage   = 16
	noFreelist     = ^uint64(0)
	longList       = 0xFFFF // as a count: the real one comes first
	smallestPage   = 512
	bucketElement  = 1
	boltMagic      = 0xED0CDAED
	boltVersion    = 2
	metaSummed     = 56 // bytes that the checksum of a meta page covers
	metaPageNeeded = pageHeader + metaSummed + 8
)

// bolt is the byte order of bbolt's files, which is that of the machine.
var bolt = binary.NativeEndian

func readMeta(file io.ReaderAt, at int64) (meta, error) {
	var page [metaPageNeeded]byte
	if _, err := file.ReadAt(page[:], at); err != nil {
		return meta{}, err
	}
	b := page[pageHeader:]
	sum := fnv.New64a()
	_, _ = sum.Write(b[:metaSummed])
	m := meta{
		pageSize: int64(bolt.Uint32(b[8:])), root: bolt.Uint64(b[16:]), freelist: bolt.Uint64(b[32:]),
		end: bolt.Uint64(b[40:]), transaction: bolt.Uint64(b[48:]),
	}
	if bolt.Uint32(b) != boltMagic || bolt.Uint32(b[4:]) != boltVersion ||
		bolt.Uint64(b[metaSummed:]) != sum.Sum64() || m.pageSize < smallestPage {
		return meta{}, errors.New("it does not match its checksum")
	}
	return m, nil
}

// openPages reads the meta pages. bbolt makes do with one of them; but the one that is left may be
// that of the transaction before the last, without the messages that were stored last.
func openPages(file io.ReaderAt, size int64) (*pages, error) {
	p := &pages{file: file}
	first, err := readMeta(file, 0)
	if err != nil {
		return nil, fmt.Errorf("page 0: %w", err)
	}
	second, err := readMeta(file, first.pageSize)
	if err != nil {
		p.fail(1, err)
	}
	p.meta = first
	if second.transaction > first.transaction {
		p.meta = second
	}
	switch {
	case err == nil && (second.pageSize != first.pageSize || first.transaction+second.transaction != 2*p.transaction-1):
		return nil, errors.New("its first pages do not belong together")
	case p.end < metaPages || p.end > uint64(size/p.pageSize):
		return nil, fmt.Errorf("it has %d bytes and should have %d", size, p.end*uint64(p.pageSize))
	}
	p.used = make([]bool, p.end)
	return p, nil
}

// all visits the elements of the outermost bucket, and checks which pages are free.
func (p *pages) all(visit func(element)) {
	p.tree(p.root, nil, nil, visit)
	if p.freelist == noFreelist { // they are those that are not in use
		return
	}
	data, err := p.read(p.freelist)
	if err == nil {
		err = p.free(data)
	}
	if err != nil {
		p.fail(p.freelist, err)
	}
}

func (p *pages) free(page []byte) error {
	count, list := uint64(bolt.Uint16(page[10:])), page[pageHeader:]
	if count == longList {
		count, list = bolt.Uint64(list), list[8:]
	}
	if bolt.Uint16(page[8:]) != freelistPage || count > uint64(len(list)/8) {
		return errors.New("it is not a list of free pages")
	}
	for i := range count {
		id := bolt.Uint64(list[8*i:])
		if id < metaPages || id >= p.end || p.used[id] {
			return fmt.Errorf("it says that page %d is free", id)
		}
		p.used[id] = true
	}
	return nil
}

func (p *pages) fail(page uint64, err error) {
	if p.fault == nil {
		p.fault = fmt.Errorf("page %d: %w", page, err)
	}
}

// read returns a page with those that it continues on.
func (p *pages) read(id uint64) ([]byte, error) {
	if id < metaPages || id >= p.end {
		return nil, errors.New("there is no such page")
	}
	data := make([]byte, p.pageSize)
	if _, err := p.file.ReadAt(data, int64(id)*p.pageSize); err != nil {
		return nil, err
	}
	last := id + uint64(bolt.Uint32(data[12:]))
	if said := bolt.Uint64(data); said != id || last >= p.end {
		return nil, fmt.Errorf("it says that it is the pages %d to %d", said, last)
	}
	for i := id; i <= last; i++ {
		if p.used[i] {
			return nil, errors.New("it is in use twice")
		}
		p.used[i] = true
	}
	if last > id {
		data = make([]byte, int64(last-id+1)*p.pageSize)
		if _, err := p.file.ReadAt(data, int64(id)*p.pageSize); err != nil {
			return nil, err
		}
	}
	return data, nil
}

// element is what a page says of a key.
type element struct {
	key, value []byte
	bucket     bool   // the value is one
	page       uint64 // in a branch, the page with this key and those up to the next
}

// elements takes a page apart.
func elements(page []byte) (branch bool, list []element, length uint64, err error) {
	kind, count := bolt.Uint16(page[8:]), int(bolt.Uint16(page[10:]))
	branch = kind == branchPage
	length = pageHeader + uint64(count)*pageEntry
	switch {
	case !branch && kind != leafPage:
		return false, nil, 0, fmt.Errorf("it is of no known kind: %#x", kind)
	case length > uint64(len(page)), branch && count == 0:
		return false, nil, 0, fmt.Errorf("it cannot have %d elements", count)
	}
	for i := range count {
		start := uint64(pageHeader + i*pageEntry)
		entry := page[start:][:pageEntry]
		e, at := element{}, entry[4:]
		if branch {
			e.page, at = bolt.Uint64(entry[8:]), entry
		}
		position, keySize, valueSize := uint64(bolt.Uint32(at)), uint64(bolt.Uint32(at[4:])), uint64(0)
		if !branch {
			valueSize = uint64(bolt.Uint32(at[8:]))
			flags := bolt.Uint32(entry)
			if e.bucket = flags == bucketElement; flags > bucketElement {
				return false, nil, 0, fmt.Errorf("element %d has unknown flags: %#x", i, flags)
			}
		}
		end := length + keySize + valueSize
		if start+position != length || end > uint64(len(page)) || keySize == 0 {
			return false, nil, 0, fmt.Errorf("element %d is not where it should be", i)
		}
		e.key, e.value = page[length:length+keySize], page[length+keySize:end]
		list, length = append(list, e), end
	}
	return branch, list, length, nil
}

// tree visits the elements of a page, or of those below a branch, in the order of their keys, which
// are at least min and less than max. A page that is damaged is left out.
func (p *pages) tree(id uint64, min, max []byte, visit func(element)) {
	data, err := p.read(id)
	if err != nil {
		p.fail(id, err)
		return
	}
	branch, list, length, err := elements(data)
	if err == nil && uint64(len(data)) != (length+uint64(p.pageSize)-1)/uint64(p.pageSize)*uint64(p.pageSize) {
		err = errors.New("its length is not that of its elements")
	}
	if err == nil {
		err = ordered(list, min, max)
	}
	if err != nil {
		p.fail(id, err)
		return
	}
	for i, e := range list {
		if !branch {
			visit(e)
			continue
		}
		next := max
		if i+1 < len(list) {
			next = list[i+1].key
		}
		p.tree(e.page, e.key, next, visit)
	}
}

func ordered(list []element, min, max []byte) error {
	for i, e := range list {
		if i > 0 && bytes.Compare(list[i-1].key, e.key) >= 0 || bytes.Compare(e.key, min) < 0 ||
			max != nil && bytes.Compare(e.key, max) >= 0 {
			return fmt.Errorf("element %d is not in order", i)
		}
	}
	return nil
}

// bucket visits the elements of a bucket, which are in pages of their own or within its value, and
// returns the highest sequence number that it has given out.
func (p *pages) bucket(value []byte, visit func(element)) (sequence uint64) {
	if len(value) < bucketHeader {
		p.fail(0, errors.New("a bucket is cut off"))
		return 0
	}
	root, sequence := bolt.Uint64(value), bolt.Uint64(value[8:])
	if root != 0 {
		p.tree(root, nil, nil, visit)
		return sequence
	}
	inline := value[bucketHeader:]
	if len(inline) < pageHeader {
		p.fail(0, errors.New("a bucket within a page is cut off"))
		return sequence
	}
	branch, list, length, err := elements(inline)
	if err == nil && (branch || length != uint64(len(inline))) {
		err = errors.New("it is not a leaf of its length")
	}
	if err == nil {
		err = ordered(list, nil, nil)
	}
	if err != nil {
		p.fail(0, fmt.Errorf("a bucket within a page: %w", err))
		return sequence
	}
	for _, e := range list {
		visit(e)
	}
	return sequence
}
