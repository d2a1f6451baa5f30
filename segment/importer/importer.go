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

	"github.com/aacflow/segment-blocks/internal/text"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

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

// maxPending and maxHeldRejects limit how far the reader may be ahead of an event in flight, in
// events and in bytes of rejects. So memory stays flat while one request is retried and others pass
// it.
const (
	maxPending     = 100_000
	maxHeldRejects = 4 << 20
	rememberedIDs  = 100_000
)

// pending is an event that is not settled: it, or one before it, is neither accepted nor rejected.
// The import's lock guards it.
//
// Partitions get ahead of one another, so events are done in any order. Import.pending has them in
// the order of the files, and settle takes them off its front. Only then are they counted for good,
// written to the file of rejects, and behind the position in the state. So one position in the
// files says everything: what is before it is done, and what is behind it will be sent.
type pending struct {
	at      position
	origin  origin
	derived bool
	done    bool   // it is accepted or rejected
	id      uint64 // a hash of the messageId that the event brings, 0 for none
	reject  *reject
}

const (
	// maxBatchBytes makes most invocations one request. It has room for what is added to a message:
	// a timestamp, a library and a comma.
	maxBatchBytes  = tracking.MaxBodyBytes - 5000
	addedBytes     = 130
	maxBatchEvents = tracking.MaxBatchMessages
	maxQueued      = 2 // batches of a partition, beside the one in flight
)

// partition sends the events of some people, in order. It has one invocation in flight at a time,
// because of two at once, one may overtake the other. The last batch of the queue is being filled.
// The import's lock guards the queue.
type partition struct{ queue []*batch }

// batch holds the events of one invocation.
type batch struct {
	items []item
	body  []byte // the input of segment_batch, without its end
}

// item is one event of a batch: its number, and where its message stands in the body.
type item struct {
	seq        int64
	begin, end int
}

const (
	inputBegins = `{"batch":[`
	inputEnds   = `]}`
)

// input returns the input of segment_batch for some of the items, or all.
func (b *batch) input(items []item) runtime.JSON {
	body := b.body
	if len(items) < len(b.items) {
		body = []byte(inputBegins)
		for _, it := range items {
			body = append(append(body, b.body[it.begin:it.end]...), ',')
		}
	}
	return append(body[:len(body)-1], inputEnds...)
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

// newReader returns a reader that starts at a position. The files before it count as read, so that
// the progress of a resumed import starts where it stopped.
func (im *Import) newReader(at position) *reader {
	at.Line = max(1, at.Line)
	r := &reader{options: &im.options, inputs: im.inputs, rules: im.rules, times: im.times, at: at}
	for _, done := range im.inputs[:at.File] {
		r.read.Add(done.size)
	}
	return r
}

// describe reads the first event of each file before anything is sent, and tells what becomes of
// the columns. Standard input can be read only once, so its columns are told later.
func (im *Import) describe(ctx context.Context) error {
	if im.options.Files[0] == Stdin {
		im.reader.mapped = im.options.Mapped
		return nil
	}
	for i := range im.inputs {
		r := im.newReader(position{File: i})
		r.mapped = im.options.Mapped
		err := r.openFile(ctx)
		if err == nil {
			_, _, err = r.record()
		}
		r.close()
		if err == nil || errors.Is(err, io.EOF) {
			continue
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err = r.failed(err); !errors.Is(err, ErrCut) { // a file that is cut off is imported up to there
			return &InputError{err}
		}
	}
	return nil
}
