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
	db     *bbolt.DB
	path   string
	target string
	allow  bool
	only   bool    // to be read
	record *record // of the run that is in the file, or nil
	last   end     // of that run, or nothing
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
	// ReadOnly opens a run that has begun to see how far it is: [Run] with the journal invokes nothing.
	ReadOnly bool
}

// record is what a run was begun with.
type record struct {
	Run    string         `json:"run"`
	Name   string         `json:"name"`
	Digest string         `json:"digest"`
	Start  rawjson.Object `json:"start"`
	Target string         `json:"target"`
	Began  time.Time      `json:"began"`
}

// end is how a run ended. One that ended with its process has none.
type end struct {
	Status Status    `json:"status"`
	At     time.Time `json:"at"`
}

// The buckets: the record and the end of the run; when tasks were first started; what came of them.
const (
	bucketRun     = "run"
	bucketStarted = "started"
	bucketEnded   = "ended"

	keyRecord, keyEnd = "record", "end"
)

// ErrRunInUse is the error of a run that another process is at.
var ErrRunInUse = errors.New("the run is in use by another process")

// OpenJournal opens the journal of a run in a folder, and makes both where they do not exist. Close
// it. The error wraps [ErrRunInUse] where another process has it open.
func OpenJournal(folder, run string, o JournalOptions) (*Journal, error) {
	if !ValidRunID(run) {
		return nil, errRunID(run)
	}
	path := filepath.Join(folder, run+".db")
	if _, err := os.Stat(path); (o.MustExist || o.ReadOnly) && errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("no run has this id, as %s does not exist: %q", path, run)
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of journals: %w", err)
	}
	// bbolt locks the file. It is waited for a little, as the lock of a process that has just been
	// killed is gone at once, but that of one that closes takes its time.
	wait := 100 * time.Millisecond
	if o.ReadOnly { // whoever looks is told that it is in use
		wait = time.Millisecond
	}
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: wait, ReadOnly: o.ReadOnly})
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, fmt.Errorf("%w: %q", ErrRunInUse, run)
	case err != nil:
		return nil, fmt.Errorf("open the journal %s: %w", path, err)
	}
	j := &Journal{db: db, path: path, target: o.Target, allow: o.AllowDuplicates, only: o.ReadOnly}
	if !j.only {
		err = j.prepare()
	}
	if err == nil {
		err = j.db.View(j.load)
	}
	if err == nil && j.only && j.record == nil {
		err = fmt.Errorf("no run has begun in the journal %s", path)
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return j, nil
}

func (j *Journal) prepare() error {
	return j.db.Update(func(tx *bbolt.Tx) error {
		for _, name := range []string{bucketRun, bucketStarted, bucketEnded} {
			if _, err := tx.CreateBucketIfNotExists([]byte(name)); err != nil {
				return fmt.Errorf("prepare the journal %s: %w", j.path, err)
			}
		}
		return nil
	})
}

func (j *Journal) load(tx *bbolt.Tx) error {
	bucket := tx.Bucket([]byte(bucketRun))
	if bucket == nil { // its process ended before it was prepared
		return nil
	}
	for key, into := range map[string]any{keyRecord: &j.record, keyEnd: &j.last} {
		if raw := bucket.Get([]byte(key)); raw != nil {
			if err := json.Unmarshal(raw, into); err != nil {
				return fmt.Errorf("the journal %s is damaged: %w", j.path, err)
			}
		}
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
	s := Summary{j.record.Name, j.record.Target, j.last.Status, j.record.Began, j.last.At}
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
	if j.only {
		if j.record.Digest != g.Digest {
			return fmt.Errorf("the file has changed since the run %q began", run)
		}
		return nil
	}
	now := record{Run: run, Name: g.Name, Digest: g.Digest, Start: s.Start, Target: j.target, Began: time.Now()}
	if old := j.record; old != nil {
		// Everything that differs is named at once: a messageId that has been sent with other content
		// would be dropped as a duplicate, and nobody would know.
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
		now = *old
	}
	return j.put(&now, end{})
}

// put keeps what is known of the run itself, its record only where there is one.
func (j *Journal) put(began *record, ended end) error {
	err := j.db.Update(func(tx *bbolt.Tx) error {
		bucket := tx.Bucket([]byte(bucketRun))
		if began != nil {
			if err := bucket.Put([]byte(keyRecord), written(began)); err != nil {
				return err
			}
		}
		return bucket.Put([]byte(keyEnd), written(ended))
	})
	if err != nil {
		return fmt.Errorf("write the journal %s: %w", j.path, err)
	}
	return nil
}

func differentInputs(old, now rawjson.Object) (differs []string) {
	for _, m := range now {
		// Bytes are compared, since 1.0 and 1 are different texts to a receiver. Marshal drops spaces
		// and escapes <, as it did when the record was written.
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
	if j.allow {
		return nil
	}
	// All are named at once: whoever decides on --allow-duplicates has to know what it may cost.
	var old []string
	err := j.db.View(func(tx *bbolt.Tx) error {
		finished := tx.Bucket([]byte(bucketEnded))
		return tx.Bucket([]byte(bucketStarted)).ForEach(func(id, at []byte) error {
			first, err := time.Parse(time.RFC3339Nano, string(at))
			if err != nil {
				return fmt.Errorf("the journal %s is damaged: %w", j.path, err)
			}
			// An id is that of the node, and behind a slash the number of an iteration.
			node, _, _ := strings.Cut(string(id), "/")
			outcome, err := j.final(g.Node(node), finished.Get(id))
			if err == nil && outcome == nil && time.Since(first) > maxRetrying {
				old = append(old, string(id))
			}
			return err
		})
	})
	if err != nil || len(old) == 0 {
		return err
	}
	slices.Sort(old)
	return fmt.Errorf("the run is too old to be resumed: Segment knows a repeated message for 24 hours, and these were "+
		"begun more than %s ago and may count twice: %s; --allow-duplicates resumes it anyway", maxRetrying, listed(old))
}

// final returns the outcome in a journal, or nil where the task is to be done again: it has none,
// or has failed and nothing has gone on from there.
func (j *Journal) final(n *Node, raw []byte) (*Outcome, error) {
	if raw == nil {
		return nil, nil //nolint:nilnil // there is none, and that is no error
	}
	var outcome Outcome
	if err := json.Unmarshal(raw, &outcome); err != nil {
		return nil, fmt.Errorf("the journal is damaged: %w", err)
	}
	// A failure that the graph has an answer to has led somewhere already, and what is behind it may
	// have run. It stays. All others are what a resume is for.
	if outcome.Error != nil && (n == nil || n.OnError == Fail) && !j.only {
		return nil, nil //nolint:nilnil // as above
	}
	return &outcome, nil
}

// find returns when a task was first started, and what came of it; zero and nil where it is not
// known. A nil journal knows nothing.
func (j *Journal) find(g *Graph, task Task) (first time.Time, outcome *Outcome, err error) {
	if j == nil {
		return first, nil, nil
	}
	err = j.db.View(func(tx *bbolt.Tx) error {
		id := []byte(task.ID())
		if at := tx.Bucket([]byte(bucketStarted)).Get(id); at != nil {
			if first, err = time.Parse(time.RFC3339Nano, string(at)); err != nil {
				return fmt.Errorf("the journal %s is damaged: %w", j.path, err)
			}
		}
		outcome, err = j.final(g.Node(task.Node), tx.Bucket([]byte(bucketEnded)).Get(id))
		return err
	})
	return first, outcome, err
}

// write keeps what has ended and what is about to start, all of it or nothing, and syncs.
func (j *Journal) write(done []ended, starts []start) error {
	if j == nil || j.only || len(done)+len(starts) == 0 {
		return nil
	}
	err := j.db.Update(func(tx *bbolt.Tx) error {
		// What has ended is written before it is gone on from. Killed before that, the process does the
		// task again, with the same messageIds; killed after it, never again.
		for _, d := range done {
			raw, err := json.Marshal(d.outcome)
			if err != nil {
				return err
			}
			if err := tx.Bucket([]byte(bucketEnded)).Put([]byte(d.task.ID()), raw); err != nil {
				return err
			}
		}
		for _, s := range starts {
			// Written before the task starts, so that its event has the same time after any kill.
			at := s.first.UTC().Format(time.RFC3339Nano)
			if err := tx.Bucket([]byte(bucketStarted)).Put([]byte(s.task.ID()), []byte(at)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("write the journal %s: %w", j.path, err)
	}
	return nil
}

func (j *Journal) isReadOnly() bool { return j != nil && j.only }

func (j *Journal) allowsDuplicates() bool { return j != nil && j.allow }
