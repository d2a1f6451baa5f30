package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/internal/text"
	"github.com/aacflow/segment-blocks/segment/emulator"
)

// watcher prints what an emulator receives. It looks a few times a second rather than at each
// request, so that printing holds nothing up.
type watcher struct {
	program  *Program
	emulator *emulator.Emulator
	style    console.Style

	event, discard, request uint64 // the last ones seen
}

// newWatcher returns a watcher that prints what arrives from now on.
func newWatcher(p *Program, e *emulator.Emulator) *watcher {
	// What was loaded from a log has been shown when it arrived.
	return &watcher{program: p, emulator: e, style: p.Style(p.Stderr), event: e.Stats().LastSeq}
}

// watch prints until ctx ends, and then what came last.
func (w *watcher) watch(ctx context.Context) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	var seen uint64
	for {
		if now := w.emulator.Stats(); now.Requests != seen {
			seen = now.Requests
			w.print()
		}
		select {
		case <-ctx.Done():
			w.print()
			return
		case <-tick.C:
		}
	}
}

// line is one message, or one request of which nothing could be read.
type line struct {
	request uint64
	index   int
	text    string
}

// print prints what has come since the last call, in the order of requests and of the messages in
// each.
func (w *watcher) print() {
	var lines []line
	for _, e := range w.emulator.Events(emulator.Filter{Since: w.event}) {
		w.event = max(w.event, e.Seq)
		lines = append(lines, line{e.Request, e.Index, w.accepted(&e)})
	}
	for _, d := range w.emulator.Discards(emulator.DiscardFilter{Since: w.discard}) {
		w.discard = max(w.discard, d.Seq)
		lines = append(lines, line{d.Request, d.Index, w.discarded(&d)})
	}
	for _, r := range w.emulator.Requests() {
		if r.Seq > w.request && r.Faulted && (r.Status < 200 || r.Status > 299) {
			lines = append(lines, line{r.Seq, -1, w.faulted(&r)})
		}
		w.request = max(w.request, r.Seq)
	}
	slices.SortStableFunc(lines, func(a, b line) int {
		return cmp.Or(cmp.Compare(a.request, b.request), cmp.Compare(a.index, b.index))
	})
	for _, l := range lines {
		console.Writeln(w.program.Stderr, l.text)
	}
}

// accepted describes an event that was stored.
func (w *watcher) accepted(e *emulator.Event) string {
	words := []string{strings.ToUpper(e.Type)}
	if e.Name != "" {
		words = append(words, fmt.Sprintf("%q", e.Name))
	}
	if e.UserID != "" {
		words = append(words, "user "+e.UserID)
	}
	if e.AnonymousID != "" {
		words = append(words, "anonymous "+e.AnonymousID)
	}
	words = append(words, "messageId "+e.MessageID)
	for _, note := range e.Notes {
		words = append(words, "("+note+")")
	}
	return clock(e.ReceivedAt) + " " + w.style.Good("accepted ") + "  " + text.Escape(strings.Join(words, "  "))
}

// discarded describes a message that Segment would drop, with every reason.
func (w *watcher) discarded(d *emulator.Discard) string {
	var why []string
	for _, problem := range d.Problems {
		why = append(why, strings.TrimSpace(problem.Code+"  "+problem.Pointer+" "+problem.Text))
	}
	return clock(d.ReceivedAt) + " " + w.style.Warn("discarded") + "  " + text.Escape(d.Path+"  "+strings.Join(why, "; "))
}

// faulted describes a request that failed because a fault was scripted for it.
func (w *watcher) faulted(r *emulator.Request) string {
	what := fmt.Sprintf("answered %d", r.Status)
	if r.Status == 0 {
		what = "cut the connection"
	}
	return clock(r.At) + " " + w.style.Warn("fault    ") + "  " + text.Escape(r.Path+"  "+what+", as scripted")
}

// clock returns a time of day in the zone of whoever is watching.
func clock(t time.Time) string { return t.Local().Format("15:04:05.000") }
