// Package importer sends files of events, of any length, through the block segment_batch. An import
// that was stopped, even by a kill, resumes where it stopped.
//
//	im, err := importer.New(importer.Options{
//		Files: []string{"events.ndjson"}, Invoke: invoke, Key: key,
//		StatePath: "events.import.json", RejectsPath: "events.rejects.ndjson", Resume: true,
//	})
//	counts, err := im.Run(ctx)
//
// A reader cuts the files into lines and gives each event to one of a few partitions, chosen by the
// person that the event is about. A partition has one invocation in flight at a time, so the events
// of a person arrive in order.
//
// An event is settled when it and all events before it are accepted or rejected. Twice a second,
// Run writes the settled rejects, and then the position behind the settled events, to the state
// file. The next run starts at that position. The events that it sends again keep their messageIds,
// so the receiver counts them once.
//
// Errors and notes name the options by the flags of the command segment-blocks import: --map is
// Options.Map, --rejects is Options.RejectsPath, and so on.
package importer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"

	"github.com/aacflow/segment-blocks/internal/paths"
	"github.com/aacflow/segment-blocks/internal/text"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/schemas"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

// Stdin is the name that stands for Options.Stdin in [Options].Files.
const Stdin = "-"

// Options say what to import and how. Files, Invoke and Key are required.
type Options struct {
	// Files are read one after the other. A name that ends in .ndjson, .jsonl or .json is JSON, and
	// one that ends in .csv is CSV. A .gz may follow. Data that begins like gzip is unpacked,
	// whatever its name.
	Files []string
	// Part, if not nil, limits the import to a part of its only file: see [Split].
	Part *Part
	// Stdin is read if Files is [Stdin] alone. It is JSON unless Format says otherwise.
	Stdin io.Reader
	// Format is the format of all files, whatever their names.
	Format Format
	// Encoding is the text encoding of all files. Default: UTF-8.
	Encoding Encoding
	// TimeFormat is the format of timestamps, and of columns that Map turns into times. Default:
	// ISO 8601.
	TimeFormat TimeFormat
	// TimeZone is the zone of times without one, such as Europe/Berlin. Default: UTC.
	TimeZone string
	// Type is the type of messages without one. A CSV file that has no column for the type needs
	// it.
	Type tracking.Type
	// Map sends columns of CSV files to other fields than their names say: COLUMN=FIELD, such as
	// user=userId, COLUMN=FIELD:KIND, such as total=properties.total:number, or COLUMN= to omit the
	// column. Kinds are text, number, boolean, time and json.
	Map []string
	// Delimiter separates the fields of a CSV row. Default: a comma.
	Delimiter byte

	// Invoke invokes segment_batch and returns the receipt. After a failure it returns the receipt,
	// if there is one, and a *[runtime.Error]. Run calls it from several goroutines at once.
	Invoke func(ctx context.Context, batch runtime.JSON) (*runtime.Receipt, error)
	// Key is the write key. Message ids are derived from it, and no file holds it.
	Key tracking.WriteKey
	// Source and Endpoint name the receiver. Only with the same ones can an import be resumed.
	Source, Endpoint string
	// InvocationID replaces the contents of the files as the origin of message ids. Standard input
	// needs one if the same input may come again, because its contents cannot be looked at first.
	InvocationID string
	// Concurrency is how many invocations may be in flight at once. Default: 4.
	Concurrency int
	// Rate limits the events that are sent a second, in bursts of a quarter of that. 0 is no limit.
	Rate float64
	// Grace is how long invocations in flight may continue when the context of Run has ended.
	// Default: 10 s.
	Grace time.Duration

	// StatePath is the file that records how far the import is. Two imports must not share it.
	// Without it the import cannot be resumed.
	StatePath string
	// Resume continues the unfinished import of an earlier run with the same StatePath. If there is
	// none, it starts at the beginning. Restart always starts at the beginning, and overwrites the
	// rejects of the earlier run. With neither, an unfinished import is an error.
	Resume, Restart bool
	// RejectsPath is the file that receives the events that cannot be sent, one a line, with all
	// reasons. Such a file can be corrected and imported. Without it, rejects are only counted.
	RejectsPath string

	// Note, if not nil, is called with sentences about what Run finds before it sends anything,
	// such as where it resumes.
	Note func(sentence string)
	// Mapped, if not nil, is called for each CSV file with what becomes of its columns.
	Mapped func(file string, columns []Column)
	// Warned, if not nil, is called with the first warning of each kind. Line is 0 if the warning
	// is not about one event. Calls come from several goroutines, one at a time.
	Warned func(file string, line int64, w schemas.Violation)
	// Rejected, if not nil, is called for each reject, in the order of the lines, once everything
	// before it is accepted or rejected. Calls come from several goroutines, one at a time.
	Rejected func(file string, line int64, reasons []schemas.Violation)
	// Progress, if not nil, is called when everything is checked and nothing is sent yet, then
	// about every quarter of a second, and at the end.
	Progress func(Progress)
}

// Counts say what an import has done in all its runs.
type Counts struct {
	// Events counts the events that were read: JSON values, or lines or rows that are not empty.
	Events int64 `json:"events"`
	// Accepted events have been confirmed by the receiver. Rejected ones were not sent, or the
	// receiver refused them.
	Accepted int64 `json:"accepted"`
	Rejected int64 `json:"rejected"`
	// Repeated counts the events that had been accepted and were sent again after a stop. The
	// events that were sent in the last moment before a kill are missing.
	Repeated int64 `json:"repeated"`
	// Duplicates counts the accepted events that have the messageId of an earlier one. A run
	// remembers the latest 100,000 ids, so there may be more.
	Duplicates int64 `json:"duplicates,omitempty"`
	// Requests, Attempts and Bytes are sums over the receipts.
	Requests int64   `json:"requests"`
	Attempts int64   `json:"attempts"`
	Bytes    int64   `json:"bytes"`
	Seconds  float64 `json:"seconds"`
}

// Progress says how far an import is.
type Progress struct {
	Counts
	// Read is how many bytes of the files have been read, and Size how many there are, -1 for
	// standard input.
	Read, Size int64
}

// Codes of rejects that only files have. All others are those of the violations of segment_batch,
// and rejected or too_large for events that the receiver refused.
const (
	CodeTooLong    = "line_too_long"
	CodeCSV        = "invalid_csv"
	CodeWrongValue = "invalid_value"
)

// ErrCut is in the error of an import whose file ends too early: gzip that is cut off, or JSON in
// which a list or an event is never closed, perhaps because it is still being written. All events
// before that are accepted or rejected. Put the whole file in its place, and an import with Resume
// continues there.
var ErrCut = errors.New("the file is cut off: it ends too early")

// InputError is the error of an import that cannot start or continue, because of an option, a file,
// or the state that an earlier run has left. Another attempt fails in the same way.
type InputError struct{ Err error }

func (e *InputError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *InputError) Unwrap() error { return e.Err }

// DeliveryError is the error of an import that a failed invocation has ended. It wraps the
// *[runtime.Error].
type DeliveryError struct {
	File        string
	First, Last int64 // the lines of the invocation
	// Source is set if the receiver refused many events in a row, each sent alone: it seems to
	// refuse the source and not the events.
	Source bool
	Err    error
}

func (e *DeliveryError) Error() string {
	if e.Source {
		return fmt.Sprintf("the receiver refused %d events in a row, each sent alone, so it seems to refuse the"+
			" source: %s (line %d of %s)", maxRefusedInRow, e.Err, e.Last, e.File)
	}
	return fmt.Sprintf("%s (events of lines %d to %d of %s)", e.Err, e.First, e.Last, e.File)
}

// Unwrap returns the error of the invocation.
func (e *DeliveryError) Unwrap() error { return e.Err }

// PanicError is the error of an import that a panic has ended, in this package or in one of the
// functions of [Options].
type PanicError struct {
	// Value is the argument of panic, and Stack the stack of its goroutine.
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// Import is one run of an import.
type Import struct {
	options Options
	inputs  []*input
	rules   []rule
	times   times
	plan    plan
	reader  *reader
	limiter *rate.Limiter
	most    int // events of an invocation
	seed    maphash.Seed
	started time.Time
	halting context.Context // ends when nothing new may be sent; its cause says why
	halt    context.CancelCauseFunc

	refused atomic.Int64 // events that were refused since one was accepted

	mu         sync.Mutex
	changed    sync.Cond
	partitions []partition
	hurried    int       // how often idle partitions have been told to send what they have
	pending    []pending // events that are not settled, in the order of the files
	heldBytes  int       // of rejects among them
	next       position  // what is read next
	ended      bool      // there is nothing more to read
	readErr    error
	counts     Counts // of all runs
	rejects    *rejects
	written    state // what the state file says
	warned     map[string]bool
	ids        *lru.Cache[uint64, position] // where the latest messageIds were given, by hash
}

// New prepares an import. It reads the beginnings of files and writes nothing. The error is an
// *[InputError].
func New(o Options) (*Import, error) {
	o.Concurrency = cmp.Or(max(0, o.Concurrency), 4)
	o.Delimiter = cmp.Or(o.Delimiter, ',')
	o.Encoding, o.TimeFormat = cmp.Or(o.Encoding, UTF8), cmp.Or(o.TimeFormat, ISO8601)
	o.Grace = cmp.Or(max(0, o.Grace), 10*time.Second)
	limit := rate.Limit(cmp.Or(max(0, o.Rate), float64(rate.Inf)))
	im := &Import{
		options: o, warned: map[string]bool{}, seed: maphash.MakeSeed(), partitions: make([]partition, o.Concurrency),
		// A batch takes all of its events from the limit at once, so none may have more than a
		// burst, which is a quarter of a second's worth.
		most: int(min(maxBatchEvents, max(1, limit/4))),
	}
	im.limiter = rate.NewLimiter(limit, im.most)
	im.changed.L = &im.mu
	im.ids, _ = lru.New[uint64, position](rememberedIDs) // which fails for no size only
	if err := im.open(); err != nil {
		return nil, &InputError{err}
	}
	im.plan = newPlan(&im.options, im.inputs)
	return im, nil
}

// open opens the inputs and checks the options.
func (im *Import) open() error {
	o := &im.options
	if len(o.Files) == 0 || o.Invoke == nil {
		return errors.New("an import needs Files and Invoke")
	}
	for _, one := range o.Map {
		r, err := parseRule(one)
		if err != nil {
			return err
		}
		im.rules = append(im.rules, r)
	}
	if known := []Encoding{UTF8, UTF16, Latin1, Windows1252}; !slices.Contains(known, o.Encoding) {
		return fmt.Errorf("the encoding must be %s: %q", text.Or(known...), o.Encoding)
	}
	var err error
	if im.times, err = newTimes(o.TimeFormat, o.TimeZone); err != nil {
		return err
	}
	csv := false
	for _, path := range o.Files {
		in, err := openInput(path, o)
		if err != nil {
			return err
		}
		if o.Part != nil {
			in.part, in.size = *o.Part, o.Part.To-o.Part.From
		}
		csv = csv || in.format == CSV
		im.inputs = append(im.inputs, in)
	}
	if len(o.Map) > 0 && !csv {
		return fmt.Errorf("--map is for columns of CSV, and no file is CSV: %q", o.Map[0])
	}
	// Nothing tells one standard input from the next, and their messageIds must differ.
	if o.Files[0] == Stdin && o.InvocationID == "" {
		o.InvocationID = "stdin/" + uuid.NewString()
	}
	return o.checkPaths()
}

// checkPaths refuses to overwrite one file with another. It compares what the paths lead to, since
// links and relative paths give one file many names.
func (o *Options) checkPaths() error {
	stdin := slices.Contains(o.Files, Stdin)
	switch {
	case stdin && len(o.Files) > 1:
		return errors.New("stdin is imported alone, not together with files")
	case stdin && (o.StatePath != "" || o.Resume || o.Restart):
		return errors.New("an import of stdin cannot be resumed, because stdin is read only once; import a file," +
			" or give an --invocation-id to repeat it safely")
	case stdin:
		return nil
	}
	written := []string{o.RejectsPath}
	if o.StatePath != "" {
		written = append(written, o.StatePath, o.StatePath+".tmp", o.StatePath+".lock")
	}
	for i, path := range written {
		if slices.ContainsFunc(o.Files, func(file string) bool { return paths.Same(path, file) }) {
			return fmt.Errorf("the state and the rejects cannot be in the file of events; "+
				"name another file with --state or --rejects: %q", path)
		}
		if i > 0 && paths.Same(path, o.RejectsPath) {
			return fmt.Errorf("the state and the rejects cannot be in one file; "+
				"name another file with --state or --rejects: %q", path)
		}
	}
	return nil
}
