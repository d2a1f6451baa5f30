package delivery

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"os"
	"slices"

	"go.etcd.io/bbolt"
)

// Check reads a store through, as [Open] does before it uses one, and changes nothing. It returns
// what the store holds, by source. The error wraps [ErrInUse] while a process has the store open,
// and [ErrDamaged] where the file is damaged. Stats.Damaged counts damaged messages in a file that
// is otherwise in order; they are no error.
func Check(path string) ([]Stats, error) {
	r, err := readThrough(path, nil)
	if err == nil {
		err = r.verdict()
	}
	if err != nil {
		err = fmt.Errorf("check store %s: %w", path, err)
	}
	return r.stats(), err
}

// Salvage visits what can be read of a store that [Open] refuses because it is damaged: messages
// that are as they were stored, and, with Damaged set, those that are not. A dead letter has a
// DiedAt. Some that were delivered already may be among them. The last error says what is wrong
// with the file.
func Salvage(path string) iter.Seq2[Letter, error] {
	return func(yield func(Letter, error) bool) {
		going := true
		r, err := readThrough(path, func(l Letter) { going = going && yield(l, nil) })
		if err == nil {
			err = r.verdict()
		}
		if err != nil && going {
			yield(Letter{}, fmt.Errorf("read store %s: %w", path, err))
		}
	}
}

// reading is a file that is read through.
type reading struct {
	*pages
	letter func(Letter) // may be nil

	foreign string // the name of something that no store has
	root    bool   // it is a store
	format  string
	tally   tally
	untold  error // why there is no tally

	sources map[string]*Stats
	records tally // that were found
	bytes   int64
	damaged int
}

// readThrough reads all of a file, and visits its messages. bbolt, which is asked to lock it, reads
// only its first pages.
func readThrough(path string, letter func(Letter)) (*reading, error) {
	r := &reading{letter: letter, sources: map[string]*Stats{}, untold: errNoTally}
	var file *os.File
	db, err := openBolt(path, &bbolt.Options{
		ReadOnly: true,
		OpenFile: func(name string, flag int, mode os.FileMode) (_ *os.File, err error) {
			file, err = os.OpenFile(name, flag, mode)
			return file, err
		},
	})
	if err != nil {
		return r, err
	}
	info, err := file.Stat()
	if err == nil {
		if r.pages, err = openPages(file, info.Size()); err != nil {
			err = fmt.Errorf("%w: %w", ErrDamaged, err)
		} else {
			r.all(r.top)
		}
	}
	return r, errors.Join(err, db.Close())
}

func (r *reading) top(e element) {
	switch name := string(e.key); {
	case e.bucket && name == string(rootBucket):
		r.root = true
		r.bucket(e.value, r.setting)
	case e.bucket && name == string(sourcesBucket) && r.format == storeFormat:
		r.bucket(e.value, r.source)
	case e.bucket && name == string(sourcesBucket):
	default:
		r.foreign = name
	}
}

func (r *reading) setting(e element) {
	switch name := string(e.key); {
	case e.bucket:
		r.foreign = name
	case name == string(formatKey):
		r.format = string(e.value)
	case name == string(tallyKey):
		r.tally, r.untold = readTally(e.value)
	default:
		r.foreign = name
	}
}

func (r *reading) source(e element) {
	name, known, last, given := string(e.key), false, uint64(0), uint64(0)
	if !e.bucket {
		r.foreign = name
		return
	}
	stats := &Stats{Source: name}
	r.sources[name] = stats
	r.bucket(e.value, func(e element) {
		part := string(e.key)
		switch {
		case !e.bucket && part == string(credentialKey) && len(e.value) >= checksumBytes:
			stats.StoredWith = string(e.value[checksumBytes:])
			known = string(sealedCredential(name, stats.StoredWith)) == string(e.value)
		case e.bucket && part == string(waitingBucket):
			given = r.bucket(e.value, func(e element) { last = max(last, r.record(stats, waitingBucket, e)) })
		case e.bucket && part == string(deadBucket):
			r.bucket(e.value, func(e element) { last = max(last, r.record(stats, deadBucket, e)) })
		default:
			r.foreign = part
		}
	})
	if !known || given < last {
		r.fail(0, fmt.Errorf("the source %q is not as it was written", name))
	}
}

// record counts a message and returns its number.
func (r *reading) record(stats *Stats, bucket []byte, e element) uint64 {
	if e.bucket || len(e.key) != len(keyOf(0)) {
		r.foreign = string(e.key)
		return 0
	}
	r.records.records++
	r.records.sum += sealOf(e.value)
	r.bytes += int64(len(e.value))
	content, err := unseal(stats.Source, bucket, e.key, e.value)
	damaged := err != nil
	switch {
	case string(bucket) == string(deadBucket):
		stats.Dead++
		damaged = damaged || readDead(content[stampBytes:]).damaged
	case stats.Waiting == 0:
		stats.Oldest = stampOf(content)
		fallthrough
	default:
		stats.Waiting++
	}
	if damaged {
		stats.Damaged++
	}
	if err != nil {
		r.damaged++
	}
	if r.letter != nil {
		l, _ := readLetter(stats.Source, bucket, e.key, e.value)
		r.letter(l)
	}
	return sequence(e.key)
}

// verdict says whether the file can be used. A damaged message is no reason not to; a missing one
// is.
func (r *reading) verdict() error {
	var why error
	switch {
	case !r.root && r.foreign == "" && r.fault == nil:
		return nil // nothing has been written yet
	case !r.root && r.foreign != "":
		return fmt.Errorf("the file is no store of segment-blocks: it holds %q", r.foreign)
	case r.fault == nil && r.format != "" && r.format != storeFormat:
		return fmt.Errorf("the file was written by another release, which must deliver what it holds: its format is %q",
			r.format)
	case r.fault != nil:
		why = r.fault
	case r.foreign != "":
		why = fmt.Errorf("it holds something unknown: %q", r.foreign)
	case r.format == "":
		why = errors.New("its format is missing")
	case r.untold != nil:
		why = r.untold
	case r.records.records != r.tally.records:
		why = errors.New("it does not hold the messages that were stored")
	case r.damaged == 0 && r.records.sum != r.tally.sum:
		why = errors.New("it does not hold the messages that were stored last")
	default:
		return nil
	}
	readable := int(r.records.records) - r.damaged
	if r.untold != nil {
		return fmt.Errorf("%w: %w; %d messages can be read", ErrDamaged, why, readable)
	}
	return fmt.Errorf("%w: %w; %d of %d messages can be read", ErrDamaged, why, readable, r.tally.records)
}

func (r *reading) stats() []Stats {
	list := make([]Stats, 0, len(r.sources))
	for _, name := range slices.Sorted(maps.Keys(r.sources)) {
		list = append(list, *r.sources[name])
	}
	return list
}
