package rest

import (
	"fmt"
	"iter"
	"net/http"
	"path"
	"slices"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/schemas"
	"github.com/aacflow/segment-blocks/serve/guard"
	"github.com/aacflow/segment-blocks/serve/invocations"
)

// Queue is where a source keeps the messages that it sends later. Its functions are called from
// many goroutines at once.
type Queue struct {
	State func() QueueState
	// Dead visits the dead letters in the order of their ids.
	Dead func() iter.Seq2[DeadLetter, error]
	// Retry puts dead letters back among the waiting messages, and Drop deletes them: those with
	// the ids, or all if no id is given. They return how many there were. If an id is unknown, they
	// change nothing and return a *[runtime.Error] with the code invalid_input.
	Retry, Drop func(ids ...uint64) (int, error)
}

// QueueState counts the messages of a queue.
type QueueState struct {
	// Waiting counts those not accepted yet, InFlight those of them that are being sent.
	Waiting  int `json:"waiting"`
	InFlight int `json:"inFlight"`
	Dead     int `json:"dead"`
	// Oldest is when the oldest waiting message was stored.
	Oldest time.Time `json:"oldest,omitzero"`
	// LastError says why nothing can be sent at present, WaitsUntil when the next attempt begins.
	LastError  string    `json:"lastError,omitempty"`
	WaitsUntil time.Time `json:"waitsUntil,omitzero"`
	// Delivered counts messages accepted since the start, Retried the repeated attempts.
	Delivered int64 `json:"-"`
	Retried   int64 `json:"-"`
}

// DeadLetter is a message that was given up, without its content.
type DeadLetter struct {
	ID        uint64    `json:"id"`
	MessageID string    `json:"messageId"`
	StoredAt  time.Time `json:"storedAt"`
	DiedAt    time.Time `json:"diedAt"`
	Reason    string    `json:"reason"`
	// Damaged says that its record has changed since it was stored. It can only be dropped.
	Damaged bool `json:"damaged,omitempty"`
}

// delivery counts what has become of the messages of a source since the process started.
type delivery struct {
	Source      string      `json:"source"`
	Delivery    string      `json:"delivery"`
	Invocations int64       `json:"invocations"`
	Failed      int64       `json:"failed"`
	Sent        int64       `json:"sent"`
	Stored      int64       `json:"stored"`
	Retried     int64       `json:"retried"`
	Queue       *QueueState `json:"queue,omitempty"`
}

func (h *Handler) delivery(w http.ResponseWriter, r *http.Request) *Problem {
	source, p := h.source(r)
	if p != nil {
		return p
	}
	name := source.Name
	var t invocations.Tally
	if h.cfg.Invocations != nil {
		t = h.cfg.Invocations.Tally(name)
	}
	d := delivery{name, source.Delivery, t.Invocations, t.Failed, t.Accepted, t.Stored, t.Retried, nil}
	if q, ok := h.cfg.Queues[name]; ok {
		state := q.State()
		d.Queue = &state
		d.Sent += state.Delivered
		d.Retried += state.Retried
	}
	writeFresh(w, typeJSON, encode(d))
	return nil
}

// source returns the source that the path names.
func (h *Handler) source(r *http.Request) (runtime.SourceInfo, *Problem) {
	name := r.PathValue("name")
	var names []string
	for _, s := range h.runtime.Sources() {
		if s.Name == name {
			return s, nil
		}
		names = append(names, s.Name)
	}
	return runtime.SourceInfo{}, newProblem(codeNotFound,
		fmt.Sprintf("there is no such source: %.100q%s", name, schemas.DidYouMean(name, names)))
}

func (h *Handler) queue(r *http.Request) (Queue, *Problem) {
	s, p := h.source(r)
	if p != nil {
		return Queue{}, p
	}
	q, ok := h.cfg.Queues[s.Name]
	if !ok {
		return Queue{}, newProblem(codeNotFound,
			fmt.Sprintf("the source keeps no messages to send later: its delivery is %q", s.Delivery))
	}
	return q, nil
}

func (h *Handler) deadLetters(w http.ResponseWriter, r *http.Request) *Problem {
	q, p := h.queue(r)
	if p != nil {
		return p
	}
	query, after, limit, p := pageOf(r)
	if p != nil {
		return p
	}
	list, cursor := []DeadLetter{}, after
	for letter, err := range q.Dead() {
		if err != nil {
			return problemOf(runtime.ErrorOf(err))
		}
		if letter.ID <= after && query.Has("after") {
			continue
		}
		if len(list) == int(limit) {
			break
		}
		list, cursor = append(list, letter), letter.ID
	}
	writeFresh(w, typeJSON, encode(struct {
		DeadLetters []DeadLetter `json:"deadLetters"`
		Cursor      uint64       `json:"cursor"`
	}{list, cursor}))
	return nil
}

// changeDead does to dead letters what the path ends with: retry or drop.
func (h *Handler) changeDead(w http.ResponseWriter, r *http.Request) *Problem {
	q, p := h.queue(r)
	if p != nil {
		return p
	}
	ids, p := idsOf(w, r)
	if p != nil {
		return p
	}
	change := q.Retry
	if path.Base(r.Pattern) == "drop" {
		change = q.Drop
	}
	changed, err := change(ids...)
	if err != nil {
		return problemOf(runtime.ErrorOf(err))
	}
	writeFresh(w, typeJSON, encode(map[string]int{"changed": changed}))
	return nil
}

// idsOf reads the ids of a body, none if it asks for all.
func idsOf(w http.ResponseWriter, r *http.Request) ([]uint64, *Problem) {
	const mostBody, mostIDs = 256 << 10, 10_000
	data, p := guard.ReadJSON(w, r, mostBody)
	if p != nil {
		return nil, wrap(p)
	}
	var asked struct {
		IDs []uint64 `json:"ids"`
		All bool     `json:"all"`
	}
	err := json.Unmarshal(data, &asked, json.RejectUnknownMembers(true))
	if err != nil || asked.All == (len(asked.IDs) > 0) || len(asked.IDs) > mostIDs || slices.Contains(asked.IDs, 0) {
		return nil, newProblem(codeRequest, fmt.Sprintf(
			`the body must be {"ids": [1, …]}, with 1 to %d ids of dead letters, or {"all": true}`, mostIDs))
	}
	return asked.IDs, nil
}
