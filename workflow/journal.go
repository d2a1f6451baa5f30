package workflow

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/aacflow/segment-blocks/rawjson"
)

// Journal is the file in which a run keeps what has been started and what has ended, synced before
// the run goes on. One process at a time has it open. Outputs and receipts are in it, so only its
// owner may read it.
type Journal struct {
	db      *bbolt.DB
	path    string
	options JournalOptions
	record  *record // of the run that is in the file, or nil
}

// JournalOptions set up [OpenJournal].
type JournalOptions struct {
	// Target says where events go, such as an endpoint and the fingerprint of a credential. A run
	// that has begun is not resumed with another one.
	Target string
	// AllowDuplicates resumes a run though messages in it are so old that the receiver may count
	// them twice.
	AllowDuplicates bool
	// MustExist refuses a run that has not begun.
	MustExist bool
	// ReadOnly opens a run that has begun to see how far it is: [Run] with the journal invokes
	// nothing.
	ReadOnly bool
}

// record is what a run was begun with, and how it ended. One that ended with its process has no
// status.
type record struct {
	Run    string         `json:"run"`
	Name   string         `json:"name"`
	Digest string         `json:"digest"`
	Start  rawjson.Object `json:"start"`
	Target string         `json:"target"`
	Began  time.Time      `json:"began"`
	Status Status         `json:"status,omitempty"`
	Ended  time.Time      `json:"ended,omitzero"`
}

// job is a task: when it was first started and, once it has ended, what came of it.
type job struct {
	task    Task
	First   time.Time `json:"first"`
	Outcome *Outcome  `json:"outcome,omitempty"`
}

// The buckets: the record of the run, under its own name, and the jobs by the ids of their tasks.
const (
	bucketRun  = "run"
	bucketJobs = "jobs"
)

// ErrRunInUse is the error of a run that another process is at.
var ErrRunInUse = errors.New("the run is in use by another process")

// OpenJournal opens the journal of a run in a folder, and makes both where they do not exist. Close
// it. The error wraps [ErrRunInUse] where another process has it open.
func OpenJournal(folder, run string, o JournalOptions) (*Journal, error) {
	if !ValidRunID(run) {
		return nil, fmt.Errorf(
			"a run must be named by letters, digits, points, dashes and underscores, 64 in all: %q", run)
	}
	path := filepath.Join(folder, run+".db")
	if info, err := os.Stat(path); o.MustExist || o.ReadOnly {
		if errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("no run has this id, as %s does not exist: %q", path, run)
		} else if err == nil && info.Size() == 0 {
			return nil, fmt.Errorf("no run has begun in the journal %s", path)
		}
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of journals: %w", err)
	}
	j := &Journal{path: path, options: o}
	err := safely(func() (err error) {
		j.db, err = openBolt(path, o.ReadOnly)
		return err
	})
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, fmt.Errorf("%w: %q", ErrRunInUse, run)
	case err != nil:
		return nil, fmt.Errorf("open the journal %s: %w", path, err)
	}
	err = j.view(func(tx *bbolt.Tx) error {
		// A process that ended at once has left a file without buckets.
		if bucket := tx.Bucket([]byte(bucketRun)); bucket != nil && tx.Bucket([]byte(bucketJobs)) != nil {
			return read(bucket.Get([]byte(bucketRun)), &j.record)
		}
		return nil
	})
	// To resume a run that has not begun would begin it, with the defaults for its input.
	if err == nil && j.record == nil && (o.MustExist || o.ReadOnly) {
		err = fmt.Errorf("no run has begun in the journal %s", path)
	}
	if err != nil {
		return nil, errors.Join(err, j.db.Close())
	}
	return j, nil
}

// openBolt opens a file, and refuses one that has been cut off: bbolt would crash when it reads
// what is missing.
func openBolt(path string, readOnly bool) (*bbolt.DB, error) {
	// Bbolt locks the file. The lock of a killed process is gone at once, but a process that closes
	// its file takes a moment. Whoever only looks does not wait for it.
	options := bbolt.Options{Timeout: 100 * time.Millisecond, ReadOnly: true}
	if readOnly {
		options.Timeout = time.Millisecond
	}
	if info, err := os.Stat(path); err == nil && info.Size() > 0 {
		db, err := bbolt.Open(path, 0o600, &options)
		if err != nil {
			return nil, err
		}
		err = db.View(func(tx *bbolt.Tx) error {
			info, err := os.Stat(path)
			if err == nil && info.Size() < tx.Size() {
				err = fmt.Errorf("it has been cut off: of %d bytes it has %d", tx.Size(), info.Size())
			}
			return err
		})
		if err == nil && readOnly {
			return db, nil
		}
		if err = errors.Join(err, db.Close()); err != nil {
			return nil, err
		}
	}
	options.ReadOnly = false
	return bbolt.Open(path, 0o600, &options)
}

// safely returns a panic of bbolt, which a damaged file causes, as an error.
func safely(do func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("it is damaged: %v", p)
		}
	}()
	return do()
}

func (j *Journal) view(look func(*bbolt.Tx) error) error {
	if err := safely(func() error { return j.db.View(look) }); err != nil {
		return fmt.Errorf("read the journal %s: %w", j.path, err)
	}
	return nil
}

// update changes the file, all of it or nothing, and syncs.
func (j *Journal) update(change func(*bbolt.Tx) error) error {
	if err := safely(func() error { return j.db.Update(change) }); err != nil {
		return fmt.Errorf("write the journal %s: %w", j.path, err)
	}
	return nil
}

// read reads a value, if there is one.
func read(raw []byte, into any) error {
	if raw == nil {
		return nil
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("it is damaged: %w", err)
	}
	return nil
}

// Summary is what a journal says of its run.
type Summary struct {
	Name, Target string
	// Status is canceled for a run that did not come to its end.
	Status Status
	// Ended is the time of the last change where the run ended with its process.
	Began, Ended time.Time
}

// Summary returns what the journal said of its run when it was opened, or nothing where none had
// begun.
func (j *Journal) Summary() Summary {
	if j.record == nil {
		return Summary{}
	}
	s := Summary{j.record.Name, j.record.Target, j.record.Status, j.record.Began, j.record.Ended}
	if s.Status == "" {
		s.Status = Canceled
		if info, err := os.Stat(j.path); err == nil {
			s.Ended = info.ModTime()
		}
	}
	return s
}

// Close closes the file.
func (j *Journal) Close() error { return j.db.Close() }

// Input returns the input of the run that the journal has, or nil where none has begun.
func (j *Journal) Input() json.RawMessage {
	if j.record == nil {
		return nil
	}
	return j.record.Start.JSON()
}

// bind makes sure that the journal is that of this run, graph and input, and that going on with it
// counts nothing twice. A new journal becomes that of the run.
func (j *Journal) bind(run string, g *Graph, s *State) error {
	if j.options.ReadOnly {
		if j.record.Digest != g.Digest {
			return fmt.Errorf("the file has changed since the run %q began", run)
		}
		return nil
	}
	now := &record{Run: run, Name: g.Name, Digest: g.Digest, Start: s.Start, Target: j.options.Target, Began: time.Now()}
	if old := j.record; old != nil {
		// Everything that differs is named at once: a messageId that has been sent with other
		// content would be dropped as a duplicate, and nobody would know.
		var differs []string
		if old.Digest != now.Digest {
			differs = append(differs, fmt.Sprintf("the file (it was %q with SHA-256 %.12s…, it is now %.12s…)",
				old.Name, old.Digest, now.Digest))
		}
		differs = append(differs, differentInputs(old.Start, now.Start)...)
		if old.Target != now.Target {
			differs = append(differs, fmt.Sprintf("where events go (it was %s, it is now %s)", old.Target, now.Target))
		}
		if len(differs) > 0 {
			return fmt.Errorf("the run %q was begun with something else, take another run id: what differs is %s",
				run, strings.Join(differs, ", and "))
		}
		if err := j.checkAge(g); err != nil {
			return err
		}
		now.Began = old.Began
	}
	j.record = now
	return j.put()
}

// end keeps how the run has ended.
func (j *Journal) end(status Status) error {
	j.record.Status, j.record.Ended = status, time.Now()
	return j.put()
}

// put keeps the record.
func (j *Journal) put() error {
	return j.update(func(tx *bbolt.Tx) error {
		if _, err := tx.CreateBucketIfNotExists([]byte(bucketJobs)); err != nil {
			return err
		}
		bucket, err := tx.CreateBucketIfNotExists([]byte(bucketRun))
		if err != nil {
			return err
		}
		return bucket.Put([]byte(bucketRun), written(j.record))
	})
}

func differentInputs(old, now rawjson.Object) (differs []string) {
	for _, m := range now {
		// Bytes are compared, since 1.0 and 1 are different texts to a receiver. Marshal drops
		// spaces and escapes <, as it did when the record was written.
		is, err := json.Marshal(m.Value)
		if was, _ := old.Get(m.Name); err != nil || string(was) != string(is) {
			differs = append(differs, fmt.Sprintf("the input %q", m.Name))
		}
	}
	return differs
}

// checkAge refuses tasks that have to be done again though the receiver may have forgotten their
// first try.
func (j *Journal) checkAge(g *Graph) error {
	if j.options.AllowDuplicates {
		return nil
	}
	// All are named at once: whoever decides on --allow-duplicates has to know what it may cost.
	var old []string
	err := j.view(func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte(bucketJobs)).ForEach(func(id, raw []byte) error {
			done, err := j.job(g, string(id), raw)
			if err == nil && done.Outcome == nil && time.Since(done.First) > maxRetrying {
				old = append(old, string(id))
			}
			return err
		})
	})
	if err != nil || len(old) == 0 {
		return err
	}
	slices.Sort(old)
	return fmt.Errorf("the run is too old to be resumed: Segment knows a repeated message for 24 hours, and these "+
		"were begun more than %s ago and may count twice: %s; --allow-duplicates resumes it anyway",
		maxRetrying, listed(old))
}

// job reads what the journal has of a task. It has no outcome where the task is to be done again:
// it has not ended, or has failed and nothing has gone on from there.
func (j *Journal) job(g *Graph, id string, raw []byte) (done job, err error) {
	err = read(raw, &done)
	// An id is that of the node, and behind a slash the number of an iteration.
	node, _, _ := strings.Cut(id, "/")
	n := g.Node(node)
	// A failure that the graph has an answer to has led somewhere already, and what is behind it
	// may have run. It stays. All others are what a resume is for.
	if o := done.Outcome; o != nil && o.Error != nil && (n == nil || n.OnError == Fail) && !j.options.ReadOnly {
		done.Outcome = nil
	}
	return done, err
}

// find returns what is known of a task. A nil journal knows nothing.
func (j *Journal) find(g *Graph, task Task) (found job, err error) {
	if j != nil {
		err = j.view(func(tx *bbolt.Tx) error {
			found, err = j.job(g, task.ID(), tx.Bucket([]byte(bucketJobs)).Get([]byte(task.ID())))
			return err
		})
	}
	found.task = task
	return found, err
}

// write keeps jobs that have ended and such that are about to start. What has ended is written
// before it is gone on from: killed before that, the process does the task again, with the same
// messageIds; killed after it, never again. What starts is written before, so that its event has
// the same time after any kill.
func (j *Journal) write(jobs []job) error {
	if j == nil || j.options.ReadOnly || len(jobs) == 0 {
		return nil
	}
	return j.update(func(tx *bbolt.Tx) error {
		for _, job := range jobs {
			raw, err := json.Marshal(job)
			if err == nil {
				err = tx.Bucket([]byte(bucketJobs)).Put([]byte(job.task.ID()), raw)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func (j *Journal) isReadOnly() bool { return j != nil && j.options.ReadOnly }

func (j *Journal) allowsDuplicates() bool { return j != nil && j.options.AllowDuplicates }
