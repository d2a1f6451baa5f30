package workflow

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/aacflow/segment-blocks/rawjson"
)

// Journal is the file in which a run records what has started and what has ended. Each record is
// synced before the run goes on. Only one process at a time can run with it. It holds outputs and
// receipts, so only its owner can read it.
type Journal struct {
	db      *bbolt.DB
	path    string
	options JournalOptions
	record  *record // of the run in the file, or nil
}

// JournalOptions set up [OpenJournal].
type JournalOptions struct {
	// Target says where events go, such as an endpoint and the fingerprint of a credential. A run
	// cannot be resumed with another target.
	Target string
	// AllowDuplicates resumes a run even if its messages are so old that the receiver may count
	// them twice.
	AllowDuplicates bool
	// MustExist refuses a run that has not begun.
	MustExist bool
	// ReadOnly opens a run that has begun, to see its progress: [Run] with the journal invokes
	// nothing.
	ReadOnly bool
}

// record is what a run began with, and how it ended. A run that ended with its process has no
// status.
type record struct {
	Run    string         `json:"run"`
	Digest string         `json:"digest"`
	Start  rawjson.Object `json:"start"`
	Summary
}

// job is a task: when it was first started and, once it has ended, its outcome.
type job struct {
	task    Task
	First   time.Time `json:"first"`
	Outcome *Outcome  `json:"outcome,omitempty"`
}

// The buckets: the record of the run, under the name of the bucket, and the jobs by the ids of
// their tasks.
const (
	bucketRun  = "run"
	bucketJobs = "jobs"
)

// The errors of [OpenJournal] that a host may want to tell from others.
var (
	// ErrRunInUse is the error of a run that another process is running.
	ErrRunInUse = errors.New("the run is in use by another process")
	// ErrNoRun is the error of a run that must have begun, and has not.
	ErrNoRun = errors.New("no run has this id")
)

// OpenJournal opens the journal of a run in a folder, and creates both if they do not exist. The
// caller closes it. The error wraps [ErrRunInUse] if another process has it open.
func OpenJournal(folder, run string, o JournalOptions) (*Journal, error) {
	if !ValidRunID(run) {
		return nil, fmt.Errorf("a run id must be %s: %q", RunIDForm, run)
	}
	path := filepath.Join(folder, run+".db")
	mustExist, missing := o.MustExist || o.ReadOnly, fmt.Errorf("%w, as %s has none: %q", ErrNoRun, path, run)
	if info, err := os.Stat(path); mustExist && (err != nil || info.Size() == 0) {
		return nil, missing
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
		return nil, j.named("open", err)
	}
	err = j.view(func(tx *bbolt.Tx) error {
		// A process that ended before the run began has left a file without buckets.
		if bucket := tx.Bucket([]byte(bucketRun)); bucket != nil && tx.Bucket([]byte(bucketJobs)) != nil {
			return read(bucket.Get([]byte(bucketRun)), &j.record)
		}
		return nil
	})
	// To resume a run that has not begun would begin it with the default inputs.
	if err == nil && j.record == nil && mustExist {
		err = missing
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
	info, err := os.Stat(path)
	isNew := err != nil || info.Size() == 0
	if !isNew {
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
	db, err := bbolt.Open(path, 0o600, &options)
	if isNew && err != nil && !errors.Is(err, bolterrors.ErrTimeout) {
		_ = os.Truncate(path, 0) // on a full disk, what is left of a new file would be refused as damaged
	}
	return db, err
}

// safely returns a panic of bbolt as an error. A damaged file causes one, and so does a file that
// somebody cuts off while it is open.
func safely(do func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("it is damaged: %v", p)
		}
	}()
	return do()
}

func (j *Journal) view(look func(*bbolt.Tx) error) error {
	return j.named("read", safely(func() error { return j.db.View(look) }))
}

// update changes the file, all of it or nothing, and syncs.
func (j *Journal) update(change func(*bbolt.Tx) error) error {
	return j.named("write", safely(func() error { return j.db.Update(change) }))
}

func (j *Journal) named(doing string, err error) error {
	if err != nil {
		err = fmt.Errorf("%s the journal %s: %w", doing, j.path, err)
	}
	return err
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

// Summary is what a journal says about its run.
type Summary struct {
	Name   string `json:"name"`
	Target string `json:"target"`
	// Status is canceled if the run did not reach its end.
	Status Status    `json:"status,omitempty"`
	Began  time.Time `json:"began"`
	// Ended is the time of the last change if the run ended with its process.
	Ended time.Time `json:"ended,omitzero"`
}

// Summary returns what the journal said about its run when it was opened. It is zero if no run had
// begun.
func (j *Journal) Summary() (s Summary) {
	if j.record == nil {
		return s
	}
	if s = j.record.Summary; s.Status == "" {
		s.Status = Canceled
		if info, err := os.Stat(j.path); err == nil {
			s.Ended = info.ModTime()
		}
	}
	return s
}

// Close closes the file.
func (j *Journal) Close() error { return j.db.Close() }

// Input returns the input of the run in the journal, or nil if none has begun.
func (j *Journal) Input() json.RawMessage {
	if j.record == nil {
		return nil
	}
	return j.record.Start.JSON()
}

// bind makes sure that the journal belongs to this run, graph and input, and that resuming it
// counts nothing twice. A new journal is bound to the run.
func (j *Journal) bind(run string, g *Graph, s *State) error {
	if j.options.ReadOnly {
		if j.record.Digest != g.Digest {
			return fmt.Errorf("the file has changed since the run %q began", run)
		}
		return nil
	}
	now := &record{run, g.Digest, s.Start, Summary{Name: g.Name, Target: j.options.Target, Began: time.Now()}}
	if old := j.record; old != nil {
		// The error names everything that differs. A messageId that was already sent with other
		// content would silently be dropped as a duplicate.
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
			return fmt.Errorf("the run %q began with something else, take another run id: what differs is %s",
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

// end records how the run has ended.
func (j *Journal) end(status Status) error {
	j.record.Status, j.record.Ended = status, time.Now()
	return j.put()
}

// put writes the record.
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
		// It compares bytes, because 1.0 and 1 are different texts to a receiver. Marshal drops
		// spaces and escapes <, as it did when the record was written.
		is, err := json.Marshal(m.Value)
		if was, _ := old.Get(m.Name); err != nil || string(was) != string(is) {
			differs = append(differs, fmt.Sprintf("the input %q", m.Name))
		}
	}
	return differs
}

// checkAge refuses a run with tasks to repeat whose first try the receiver may have forgotten.
func (j *Journal) checkAge(g *Graph) error {
	if j.options.AllowDuplicates {
		return nil
	}
	// All are named at once, to show what --allow-duplicates may cost.
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
	return fmt.Errorf("the run is too old to be resumed: Segment recognizes a repeated message for 24 hours, and "+
		"these began more than %s ago, so they may count twice: %s; --allow-duplicates resumes it anyway",
		maxRetrying, listed(old))
}

// job reads what the journal has of a task. It has no outcome if the task must be done again:
// because it has not ended, or has failed and nothing went on from there.
func (j *Journal) job(g *Graph, id string, raw []byte) (done job, err error) {
	err = read(raw, &done)
	// An id is the id of the node, then perhaps a slash and the number of an iteration.
	node, _, _ := strings.Cut(id, "/")
	// After a failure with onError: continue or branch, the next nodes may have run already, so it
	// stays. All other failures are what a resume is for.
	if o := done.Outcome; o != nil && o.Error != nil && g.failsWith(node) && !j.options.ReadOnly {
		done.Outcome = nil
	}
	return done, err
}

// find returns what the journal knows about a task. A nil journal knows nothing.
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

// write records jobs that have ended, and jobs that are about to start. An outcome is written
// before the run goes on from it: a process that is killed before that repeats the task with the
// same messageIds, and one that is killed later does not repeat it. A start is written before the
// task starts, so that its event has the same time after any kill.
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
