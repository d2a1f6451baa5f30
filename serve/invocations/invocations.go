// Package invocations remembers the latest invocations of a runtime, for people and agents who want
// to know what has been going on. They are in memory only, and hold nothing of the inputs unless
// the host asks for that.
//
//	log := invocations.New(invocations.Config{})
//	rt, err := runtime.New(reg, runtime.Observe(log.Observe), …)
//	if err != nil { … }
//	server, err := serve.New(rt, reg, serve.Config{Invocations: log})
package invocations

import (
	"context"
	"encoding/json"
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/aacflow/segment-blocks/internal/text"
	"github.com/aacflow/segment-blocks/runtime"
)

const (
	// Most is how many invocations a Log remembers.
	Most = 500
	// MostInput is the largest input that a Log keeps, in bytes.
	MostInput = 32 << 10
)

// Config configures a [Log].
type Config struct {
	// KeepInputs keeps the inputs of invocations, without their secrets. Larger ones than
	// [MostInput] are left out.
	KeepInputs bool
}

// Invocation is one that has ended.
type Invocation struct {
	// Seq numbers the invocations of a Log from 1, in the order of their ends.
	Seq        uint64    `json:"seq"`
	ID         string    `json:"id"`
	Block      string    `json:"block"`
	Source     string    `json:"source"`
	Emulated   bool      `json:"emulated"`
	StartedAt  time.Time `json:"startedAt"`
	DurationMS float64   `json:"durationMs"`
	// Status is succeeded or failed, Code that of the error.
	Status   string       `json:"status"`
	Code     runtime.Code `json:"code,omitempty"`
	Attempts int          `json:"attempts"`
	// Messages is how many there were, MessageID the id of the first.
	Messages  int             `json:"messages"`
	MessageID string          `json:"messageId,omitempty"`
	Input     json.RawMessage `json:"input,omitempty"`
}

// Tally sums up all invocations of a source, the forgotten ones too.
type Tally struct {
	Invocations, Failed int64
	// Accepted and Stored count messages, Retried the attempts beyond the first of each request.
	Accepted, Stored, Retried int64
}

// Log remembers the latest invocations. It is safe for concurrent use.
type Log struct {
	cfg Config

	mu      sync.Mutex
	list    []*Invocation // oldest first
	last    uint64
	tallies map[string]Tally // by source
	changed chan struct{}    // closed by the next invocation; nil if nobody waits
}

// New returns a Log that remembers nothing yet.
func New(cfg Config) *Log { return &Log{cfg: cfg, tallies: map[string]Tally{}} }

// Observe is a [runtime.Observer].
func (l *Log) Observe(ctx context.Context, _ string) (context.Context, func(*runtime.Receipt, error)) {
	var input json.RawMessage
	if l.cfg.KeepInputs {
		ctx = runtime.OnInput(ctx, func(given json.RawMessage) {
			if len(given) <= MostInput {
				input = given
			}
		})
	}
	return ctx, func(r *runtime.Receipt, err error) {
		const longest = 600 // of an id, which a Go host chooses
		i := &Invocation{
			ID: text.Clip(r.InvocationID, longest), Block: text.Clip(r.Block, longest), Source: r.Source,
			Emulated: r.Emulated, StartedAt: r.StartedAt.UTC(), DurationMS: float64(r.Duration.Microseconds()) / 1000,
			Status: "succeeded", Attempts: r.Attempts, Messages: len(r.MessageIDs), Input: input,
		}
		if len(r.MessageIDs) > 0 {
			i.MessageID = r.MessageIDs[0]
		}
		if err != nil {
			i.Status, i.Code = "failed", runtime.ErrorOf(err).Code
		}
		l.add(i, r)
	}
}

func (l *Log) add(i *Invocation, r *runtime.Receipt) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.tallies[r.Source]
	t.Invocations++
	if i.Code != "" {
		t.Failed++
	}
	t.Accepted += int64(r.Accepted)
	t.Stored += int64(r.Stored)
	t.Retried += int64(r.Attempts - r.Requests)
	l.tallies[r.Source] = t
	l.last++
	i.Seq = l.last
	if l.list = append(l.list, i); len(l.list) > Most {
		l.list[0] = nil
		l.list = l.list[1:]
	}
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
}

// Latest returns the newest invocations, at most limit, the newest last.
func (l *Log) Latest(limit int) []*Invocation {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.list[max(0, len(l.list)-limit):])
}

// After returns the invocations that follow number seq, at most limit, the newest last, and how
// many of those that follow are forgotten. A seq that is not reached yet is from another process:
// all are new then. The channel is closed by the next invocation.
func (l *Log) After(seq uint64, limit int) (list []*Invocation, forgotten uint64, changed <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if seq > l.last {
		seq = 0
	}
	start := sort.Search(len(l.list), func(i int) bool { return l.list[i].Seq > seq })
	list = slices.Clone(l.list[start:min(len(l.list), start+limit)])
	if len(list) > 0 {
		forgotten = list[0].Seq - seq - 1
	}
	if l.changed == nil {
		l.changed = make(chan struct{})
	}
	return list, forgotten, l.changed
}

// Tally returns the counts of a source.
func (l *Log) Tally(source string) Tally {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tallies[source]
}

// Last returns the number of the newest invocation, 0 if there is none.
func (l *Log) Last() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}
