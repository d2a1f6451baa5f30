package delivery

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"

	"go.etcd.io/bbolt"
)

// Check reads a store through that no process has open, as [Open] does before
// it uses one, and changes nothing. It returns what the store holds, by source.
// Stats.Damaged counts the damaged messages in a file that is otherwise in
// order; they are no error. The error wraps [ErrInUse] while a process has the
// store open, and [ErrDamaged] where the file is damaged.
//
// It calls visit, if that is not nil, with each message that can be read, also
// of a damaged file: messages that are as they were stored, and, with Damaged
// set, those that are not. A dead letter has a DiedAt. Of a damaged file, some
// that were delivered already may be among them.
//
// It ends when ctx does.
func Check(ctx context.Context, path string, visit func(StoredMessage)) ([]Stats, error) {
	c, err := readFile(ctx, path, visit)
	return c.result(path, err)
}

// Check is the function [Check] for a store that is open, on what it holds at
// this moment. Messages are stored and sent meanwhile, though storing waits for
// the end of the check where the file has to grow.
func (s *Store) Check(ctx context.Context) ([]Stats, error) {
	c := &contents{sources: map[string]*Stats{}}
	err := s.view(func(tx *bbolt.Tx) error { return c.read(ctx, s.file, tx, true) })
	return c.result(s.path, err)
}

// contents is what was found in a file.
type contents struct {
	*pages
	visit func(StoredMessage) // may be nil

	foreign  string // the name of something that no store has
	root     bool   // it is a store
	format   string
	tally    tally
	tallyErr error // why there is no tally

	sources map[string]*Stats
	found   tally
	bytes   int64
	broken  int // records that do not match their checksums
}

// readFile reads a file of which bbolt, which is asked to lock it, reads only
// the first pages.
func readFile(ctx context.Context, path string, visit func(StoredMessage)) (*contents, error) {
	c := &contents{visit: visit, sources: map[string]*Stats{}}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return c, noFile(info)
	}
	db, file, err := openBolt(path, true)
	if err != nil {
		return c, err
	}
	err = db.View(func(tx *bbolt.Tx) error { return c.read(ctx, file, tx, false) })
	return c, errors.Join(err, db.Close())
}

// read reads all of a file. The first pages of one that is open change
// meanwhile.
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
	return cmp.Or(ctx.Err(), c.usable())
}

func (c *contents) top(e element) {
	switch name := string(e.key); {
	case e.bucket && name == rootBucket:
		c.root = true
		c.bucket(e.value, c.setting)
	case e.bucket && name == sourcesBucket:
		if c.format == storeFormat {
			c.bucket(e.value, c.source)
		}
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

func (c *contents) source(e element) {
	if !e.bucket {
		c.unknown(e)
		return
	}
	stats := &Stats{Source: string(e.key)}
	c.sources[stats.Source] = stats
	known, last, given := false, uint64(0), uint64(0)
	c.bucket(e.value, func(part element) {
		record := func(e element) { last = max(last, c.record(stats, string(part.key), e)) }
		switch name := string(part.key); {
		case !part.bucket && name == credentialKey && len(part.value) >= checksumBytes:
			stats.StoredWith = string(part.value[checksumBytes:])
			known = string(credentialValue(stats.Source, stats.StoredWith)) == string(part.value)
		case part.bucket && name == waitingBucket:
			given = c.bucket(part.value, record)
		case part.bucket && name == deadBucket:
			c.bucket(part.value, record)
		default:
			c.unknown(part)
		}
	})
	if !known || given < last {
		c.fail(fmt.Errorf("the source %q is not as it was written", stats.Source))
	}
}

// record counts a message and returns its number.
func (c *contents) record(stats *Stats, bucket string, e element) uint64 {
	if e.bucket || len(e.key) != keyBytes {
		c.unknown(e)
		return 0
	}
	m := readEntry(stats.Source, bucket, e.key, e.value)
	c.found.records++
	c.found.sum += m.sum
	c.bytes += m.size
	if bucket == deadBucket {
		stats.Dead++
	} else {
		if stats.Waiting == 0 {
			stats.Oldest = m.StoredAt
		}
		stats.Waiting++
	}
	if m.Damaged {
		stats.Damaged++
	}
	if !m.intact {
		c.broken++
	}
	if c.visit != nil {
		m.prepare()
		c.visit(m.public())
	}
	return m.ID
}

// usable says whether the file can be used. A damaged message is no reason not
// to; a missing one is.
func (c *contents) usable() error {
	why := c.fault
	switch {
	case !c.root && c.foreign != "":
		return fmt.Errorf("the file is no store of segment-blocks: it holds %q", c.foreign)
	case why != nil:
	case !c.root:
		return nil // nothing has been written yet
	case c.format != "" && c.format != storeFormat:
		return fmt.Errorf("the file was written by another release, which must deliver what it holds: its format is %q",
			c.format)
	case c.foreign != "":
		why = fmt.Errorf("it holds something unknown: %q", c.foreign)
	case c.format == "":
		why = errors.New("its format is missing")
	case c.tallyErr != nil:
		why = c.tallyErr
	case c.found.records != c.tally.records:
		why = errors.New("it does not hold the messages that were stored")
	case c.broken == 0 && c.found.sum != c.tally.sum:
		why = errors.New("it does not hold the messages that were stored last")
	default:
		return nil
	}
	readable := int(c.found.records) - c.broken
	if c.tallyErr != nil {
		return fmt.Errorf("%w: %w; %d messages can be read", ErrDamaged, why, readable)
	}
	return fmt.Errorf("%w: %w; %d of %d messages can be read", ErrDamaged, why, readable, c.tally.records)
}

// result returns what there is of each source, sorted by name.
func (c *contents) result(path string, err error) ([]Stats, error) {
	list := make([]Stats, 0, len(c.sources))
	for _, name := range slices.Sorted(maps.Keys(c.sources)) {
		list = append(list, *c.sources[name])
	}
	if err != nil {
		err = fmt.Errorf("check store %s: %w", path, err)
	}
	return list, err
}
