package workflows

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"github.com/aacflow/segment-blocks/serve/guard"
)

// latest answers with the latest runs, the newest first, without their nodes.
func (h *Handler) latest(w http.ResponseWriter, r *http.Request) error {
	known := map[string]bool{}
	h.mu.Lock()
	for _, run := range h.runs {
		known[run.Run] = true
	}
	h.mu.Unlock()
	// Files are read without the lock, which runs need for each event.
	earlier := h.earlier(r.Context(), known)
	h.mu.Lock()
	// After the reversal and a stable sort, runs of the same instant are in reverse order of their
	// start.
	runs := slices.Concat(earlier, h.runs)
	slices.Reverse(runs)
	slices.SortStableFunc(runs, func(a, b *run) int { return b.StartedAt.Compare(a.StartedAt) })
	docs := []json.RawMessage{}
	for _, run := range runs[:min(len(runs), MostRuns)] {
		raw, _ := json.Marshal(run) // of plain values
		docs = append(docs, raw)
	}
	h.mu.Unlock()
	return answer(w, http.StatusOK, map[string]any{"runs": docs})
}

// find returns a run of this process, or else one from a journal. The error is a problem.
func (h *Handler) find(ctx context.Context, id string) (*run, error) {
	h.mu.Lock()
	known := slices.IndexFunc(h.runs, func(r *run) bool { return r.Run == id })
	if known >= 0 {
		defer h.mu.Unlock()
		return h.runs[known], nil
	}
	h.mu.Unlock()
	for _, from := range h.journaled() {
		if from.run == id {
			return h.remember(ctx, from, true)
		}
	}
	return nil, problem(http.StatusNotFound, "not_found", "no run has this id, here or in a journal: %.100q", id)
}

func (h *Handler) run(w http.ResponseWriter, r *http.Request) error {
	run, err := h.find(r.Context(), r.PathValue("run"))
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, h.document(run))
}

// findHere is find without runs that another process is running, which cannot be canceled or
// streamed here.
func (h *Handler) findHere(ctx context.Context, id string) (*run, error) {
	run, err := h.find(ctx, id)
	if err == nil && run.cancel == nil {
		err = problem(http.StatusConflict, codeConflict, "%s", run.Error)
	}
	return run, err
}

// cancelRun cancels a run. A run that has ended stays as it is.
func (h *Handler) cancelRun(w http.ResponseWriter, r *http.Request) error {
	run, err := h.findHere(r.Context(), r.PathValue("run"))
	if err != nil {
		return err
	}
	run.cancel()
	return answer(w, http.StatusAccepted, map[string]string{"run": run.Run})
}

// stream sends what happens in a run: events of type node, whose ids are numbers that grow, and
// then one of type end. It begins after the event in the header Last-Event-ID, or else in ?after=,
// or else with the first event that is remembered. An event of type gap says how many are not. A
// client that comes back after the end gets 204, which stops an EventSource.
func (h *Handler) stream(w http.ResponseWriter, r *http.Request) error {
	run, err := h.findHere(r.Context(), r.PathValue("run"))
	if err != nil {
		return err
	}
	seq, invalid := guard.StreamAfter(r, "after", 0)
	if invalid != nil {
		return invalid
	}
	closeStream, full := h.streams.Open(r)
	if full != nil {
		return full
	}
	defer closeStream()
	h.mu.Lock()
	// An EndedAt is set together with the last event.
	over := !run.EndedAt.IsZero() && seq == run.last
	// The client has no number, or one from before the run was resumed. So all events are new.
	if seq < run.before || seq > run.last {
		seq = run.before
	}
	h.mu.Unlock()
	if over {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	guard.Stream(w, r, h.drained, func(chunk []byte) (_ []byte, changed <-chan struct{}, last bool) {
		h.mu.Lock()
		// The slice is only appended to and cut in front, so it can be read without the lock.
		events, changed, last := run.events, run.changed, !run.EndedAt.IsZero()
		h.mu.Unlock()
		for _, e := range events {
			if e.seq <= seq {
				continue
			}
			// After a gap, the client can get the run as a whole.
			chunk = guard.AppendGap(chunk, e.seq-seq-1)
			chunk = fmt.Appendf(chunk, "event: %s\nid: %d\ndata: %s\n\n", e.kind, e.seq, e.data)
			seq = e.seq
		}
		return chunk, changed, last
	})
	return nil
}
