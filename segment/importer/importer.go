// Package importer sends files of events, however long, through the block segment_batch, and can go on where it was stopped.
//
//	in, err := importer.OpenInput("events.ndjson", "", nil)
//	im, err := importer.New(importer.Options{Inputs: []*importer.Input{in}, Invoke: invoke, Key: key, StatePath: "events.import.json"})
//	counts, err := im.Run(ctx)
//
// A reader cuts the files into lines and gives each to one of a few lanes, chosen by the person that the event is about. Each lane has
// one invocation under way at a time, so the events of a person arrive in order. What is before the oldest event that is not settled is
// done with: that place is written to a file twice a second, after the rejects before it, and is where the next run goes on. What that one
// sends again has the messageId that it had, so the receiver counts it once.
package importer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"golang.org/x/time/rate"

	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

// Options say what to import and how. Inputs, Invoke and Key must be given.
type Options struct {
	// Inputs are read one after the other.
	Inputs []*Input
	// Invoke sends an input of segment_batch. The receipt may come with an error too; the error is a *[runtime.Error]. It is called from
	// several goroutines.
	Invoke func(ctx context.Context, batch runtime.JSON) (*runtime.Receipt, error)
	// Key is the write key that messageIds are derived from.
	Key tracking.WriteKey
	// Type is that of messages which do not say theirs.
	Type tracking.Type
	// Rules map columns of CSV files, and Delimiter stands between the fields of a row. Default: a comma.
	Rules     []Rule
	Delimiter byte
	// InvocationID takes the place of the files' identities in messageIds. Give one with standard input, which has none, where the same
	// input may come again.
	InvocationID string
	// Concurrency is how many invocations may be under way at once. Default 4.
	Concurrency int
	// Rate is how many events a second may be sent, in bursts of a quarter of that at most. 0: as many as the receiver takes.
	Rate float64

	// State is what an earlier run has left, to go on from there. Nil begins at the beginning.
	State *State
	// Plan and StatePath are what is written to go on from, and where. Without a path the import cannot be resumed.
	Plan      Plan
	StatePath string
	// RejectsPath is the file for what cannot be sent. One that is there is cut to what State knows of it. Without a path
	// rejects are only counted.
	RejectsPath string
	// Grace is how long invocations under way may take when the context ends. Default 10 s.
	Grace time.Duration

	// Mapped is told what becomes of the columns of each CSV file, before anything of it is sent.
	Mapped func(*Input, []Column)
	// Warned is told the first warning of each kind, with the place of the event. It may be called from several goroutines, one at a time.
	Warned func(file string, line int64, w runtime.Warning)
	// Refused is told of rejects as they are found. It may be called from several goroutines, one at a time.
	Refused func(file string, line int64, reasons []Reason)
	// Progress is called about every quarter of a second, and at the end.
	Progress func(Progress)
}

// Progress is how far an import is.
type Progress struct {
	Counts
	// Read is how many bytes of the files have been read, of Size, which is -1 where that is not known.
	Read, Size int64
}

// DeliveryError is the error of an import that was ended by an invocation. It wraps the *[runtime.Error].
type DeliveryError struct {
	File        string
	First, Last int64 // the lines of the invocation
	// Source tells that many events were refused one after the other, so that it seems to be the source that is refused.
	Source bool
	Err    error
}

func (f *DeliveryError) Error() string {
	if f.Source {
		return fmt.Sprintf("the receiver refused %d events in a row, each sent by itself, so it seems to refuse the source: %s (line %d of %s)",
			maxRefusedInRow, f.Err, f.Last, f.File)
	}
	return fmt.Sprintf("%s (events of lines %d to %d of %s)", f.Err, f.First, f.Last, f.File)
}

// Unwrap returns the error of the invocation.
func (f *DeliveryError) Unwrap() error { return f.Err }

// PanicError is the error of an import that was ended by a panic, be it of the importer or of one
// of the functions in [Options].
type PanicError struct {
	// Value is what was given to panic, and Stack where that happened.
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

const (
	// maxBatchBytes makes most invocations one request: what is added to each message is allowed for.
	maxBatchBytes   = tracking.MaxBodyBytes - 5000
	addedBytes      = 130 // to a message: a timestamp, a library and a comma
	maxBatchEvents  = tracking.MaxBatchMessages
	maxQueued       = 2        // batches of a lane that are ready and wait
	maxHeldRejects  = 16 << 20 // bytes of rejects that wait for their turn
	wakeHeldRejects = 1 << 20
	tick            = 250 * time.Millisecond
	checkpointEvery = time.Second / 2
	idle            = 500 * time.Millisecond
)

func (o *Options) complete() {
	if o.Concurrency <= 0 {
		o.Concurrency = 4
	}
	if o.Delimiter == 0 {
		o.Delimiter = ','
	}
	if o.Grace <= 0 {
		o.Grace = 10 * time.Second
	}
}

// Import is one run of an import.
type Import struct {
	engine *engine
}

// New prepares an import. Nothing is read or written yet.
func New(o Options) (*Import, error) {
	o.complete()
	if len(o.Inputs) == 0 || o.Invoke == nil {
		return nil, errors.New("an import needs an input, and something to invoke")
	}
	return &Import{newEngine(o)}, nil
}

func newEngine(o Options) *engine {
	e := &engine{options: o, most: maxBatchEvents, wake: make(chan struct{}, 1), warned: map[string]bool{}, twins: newTwins()}
	var at Position
	if o.State != nil {
		e.base, at = o.State.Counts, o.State.Position
		e.base.Repeated += o.State.Ahead
	}
	e.reader = newReader(&e.options, at)
	e.next = mark{e.base.Events, e.reader.at}
	if o.Rate > 0 {
		e.most = int(min(maxBatchEvents, max(1, math.Floor(o.Rate/4)))) // a burst is a quarter of a second's worth
		e.limiter = rate.NewLimiter(rate.Limit(o.Rate), e.most)
	}
	for range o.Concurrency {
		e.lanes = append(e.lanes, &lane{most: min(fewEvents, e.most)})
	}
	e.changed.L = &e.mu
	return e
}

// Run imports until everything has been accepted or rejected, and returns what was done, over earlier runs too. It may be called once.
//
// The error is a *[DeliveryError] where an invocation failed in another way than by refusing
// messages; a *[PanicError] where something panicked; the context's where that ended; else one of
// reading or writing files. With an error too the state has been written, and what was under way is
// over.
func (im *Import) Run(ctx context.Context) (Counts, error) { return im.engine.run(ctx) }

// Sample returns up to n events as an input of segment_batch: the first ones that refused does not return an error for.
func Sample(o Options, n int, refused func(runtime.JSON) error) (runtime.JSON, error) {
	o.complete()
	r := newReader(&o, Position{})
	defer func() { _ = r.close() }()
	body := []byte(batchOpen)
	for range 1000 {
		e, err := r.next()
		if errors.Is(err, io.EOF) || n == 0 {
			break
		}
		if err != nil {
			return nil, err
		}
		if e.faults != nil {
			continue
		}
		one, _ := e.message.appendTo([]byte(batchOpen), o.Key, e.origin)
		if refused(append(one, batchClose...)) != nil {
			continue
		}
		if len(body) > len(batchOpen) {
			body = append(body, ',')
		}
		body = append(body, one[len(batchOpen):]...)
		n--
	}
	if len(body) == len(batchOpen) {
		return nil, nil
	}
	return append(body, batchClose...), nil
}

const (
	batchOpen  = `{"batch":[`
	batchClose = `]}`
)
