package delivery

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"go.etcd.io/bbolt"
)

// Check reads all of a store that no process has open, as [Open] does, and
// changes nothing. It returns the state of each source, sorted by name. Single
// damaged messages are no error: Stats.Damaged counts them. The error wraps
// [ErrInUse] if a process has the store open, and [ErrDamaged] if the file as
// such is damaged.
//
// It calls visit, if that is not nil, with each message that can be read, also
// in a damaged file. Messages that are not as they were stored have Damaged
// set, and dead letters have a DiedAt. A damaged file may still have messages
// that were delivered.
//
// It ends when ctx does.
func Check(ctx context.Context, path string, visit func(StoredMessage)) ([]Stats, error) {
	c, err := readFile(ctx, path, visit)
	return c.result(path, err)
}

// Check checks an open store like the function [Check], as it is at this
// moment. Messages are stored and sent meanwhile, but when the file has to
// grow, storing waits for the end of the check.
func (s *Store) Check(ctx context.Context) ([]Stats, error) {
	c := &contents{sources: map[string]*sourceContents{}}
	err := s.view(func(tx *bbolt.Tx) error { return c.read(ctx, s.file, tx, true) })
	return c.result(s.path, err)
}

// contents holds what was found in a file.
type contents struct {
	*pages
	visit func(StoredMessage) // may be nil

	foreign  string // the name of something that no store has
	root     bool   // it is a store
	format   string
	tally    tally
	tallyErr error // why there is no tally

	sources map[string]*sourceContents
	found   tally
	broken  int // records that do not match their checksums
}

// sourceContents holds what was found of a source.
type sourceContents struct {
	Stats
	known       bool   // the file has the fingerprint of its key
	last, given uint64 // the highest number of a message, and of the bucket's sequence
}

// readFile reads a file. bbolt locks it and reads only its first pages.
func readFile(ctx context.Context, path string, visit func(StoredMessage)) (*contents, error) {
	c := &contents{visit: visit, sources: map[string]*sourceContents{}}
	db, file, err := openBolt(path, true)
	if err != nil {
		return c, err
	}
	err = db.View(func(tx *bbolt.Tx) error { return c.read(ctx, file, tx, false) })
	return c, errors.Join(err, db.Close())
}

// read reads all of a file. It does not check the first pages of an open one,
// because they change meanwhile.
func (c *contents) read(ctx context.Context, file *os.File, tx *bbolt.Tx, open bool) (err error) {
	c.tallyErr = errors.New("the number of its messages is missing")
	if c.pages, err = openPages(ctx, file, tx); err != nil {
		return err
	}
	if !open {
		c.metas()
	}
	c.tree(c.pages.root, nil, nil, c.top)
	c.free()
	for name, s := range c.sources {
		if !s.known || s.given < s.last {
			c.fail(fmt.Errorf("the source is not as it was written: %q", name))
		}
	}
	return cmp.Or(ctx.Err(), c.usable())
}

func (c *contents) top(e element) {
	name := string(e.key)
	kind, source, ofSource := strings.Cut(name, "/")
	switch {
	case e.bucket && name == rootBucket:
		c.root = true
		c.bucket(e.value, c.setting)
	case e.bucket && name == sourcesBucket:
		c.bucket(e.value, c.source)
	case e.bucket && ofSource && (kind == waitingBucket || kind == deadBucket):
		c.messages(source, kind, e.value)
	default:
		c.foreign = name
	}
}

func (c *contents) setting(e element) {
	switch name := string(e.key); {
	case !e.bucket && name == formatKey:
		c.format = string(e.value)
	case !e.bucket && name == tallyKey:
		c.tally, c.tallyErr = readTally(e.value)
	default:
		c.unknown(e)
	}
}

func (c *contents) unknown(e element) { c.fail(fmt.Errorf("it holds something unknown: %q", e.key)) }

func (c *contents) of(source string) *sourceContents {
	if c.sources[source] == nil {
		c.sources[source] = &sourceContents{Stats: Stats{Source: source}}
	}
	return c.sources[source]
}

// source reads the fingerprint of the write key of a source. In format 2 it
// reads the messages, too.
func (c *contents) source(e element) {
	s := c.of(string(e.key))
	if !e.bucket {
		s.credential(e.value)
		return
	}
	c.bucket(e.value, func(part element) {
		switch name := string(part.key); {
		case !part.bucket && name == credentialKey:
			s.credential(part.value)
		case part.bucket && (name == waitingBucket || name == deadBucket):
			c.messages(s.Source, name, part.value)
		default:
			c.unknown(part)
		}
	})
}

func (s *sourceContents) credential(value []byte) {
	s.StoredWith = string(value[min(len(value), checksumBytes):])
	s.known = bytes.Equal(credentialValue(s.Source, s.StoredWith), value)
}

// messages reads a bucket of messages.
func (c *contents) messages(source, kind string, bucket []byte) {
	s := c.of(source)
	given := c.bucket(bucket, func(e element) {
		if e.bucket || len(e.key) != keyBytes {
			c.unknown(e)
			return
		}
		c.record(s, kind, readEntry(source, kind, e.key, e.value))
	})
	s.given = max(s.given, given)
}

// record counts a message.
func (c *contents) record(s *sourceContents, kind string, m entry) {
	s.last = max(s.last, m.ID)
	c.found.records++
	c.found.sum += m.sum
	c.found.bytes += m.size
	if kind == deadBucket {
		s.Dead++
	} else {
		if s.Waiting == 0 {
			s.Oldest = m.StoredAt
		}
		s.Waiting++
	}
	if m.Damaged {
		s.Damaged++
	}
	if !m.intact {
		c.broken++
	}
	if c.visit != nil {
		m.prepare()
		c.visit(m.public())
	}
}

// usable returns why the file cannot be used. A damaged message is no reason,
// but a missing one is.
func (c *contents) usable() error {
	why := c.fault
	switch {
	case !c.root && c.foreign != "":
		return fmt.Errorf("the file is not a store of segment-blocks: it holds %q", c.foreign)
	case c.format != "" && c.format != storeFormat && c.format != format2:
		return fmt.Errorf("the file was written by another release; deliver its messages with that one:"+
			" its format is %q", c.format)
	case why != nil:
	case !c.root:
		return nil // nothing has been written yet
	case c.foreign != "":
		why = fmt.Errorf("it holds something unknown: %q", c.foreign)
	case c.format == "":
		why = errors.New("its format is missing")
	case c.tallyErr != nil:
		why = c.tallyErr
	case c.found.records != c.tally.records:
		why = errors.New("it has more or fewer messages than were stored")
	case c.broken == 0 && c.found.sum != c.tally.sum:
		why = errors.New("it has other messages than were stored last")
	default:
		return nil
	}
	readable := int(c.found.records) - c.broken
	if c.tallyErr != nil {
		return fmt.Errorf("%w: %w; %d messages can be read", ErrDamaged, why, readable)
	}
	return fmt.Errorf("%w: %w; %d of %d messages can be read", ErrDamaged, why, readable, c.tally.records)
}

// result returns the state of each source, sorted by name.
func (c *contents) result(path string, err error) ([]Stats, error) {
	list := make([]Stats, 0, len(c.sources))
	for _, name := range slices.Sorted(maps.Keys(c.sources)) {
		list = append(list, c.sources[name].Stats)
	}
	if err != nil {
		err = fmt.Errorf("check store %s: %w", path, err)
	}
	return list, err
}
