// Package workflows serves the workflow files of a folder over HTTP: it lists them, runs them in
// this process, and tells how their runs fare.
//
//	flows, err := workflows.New(workflows.Config{Folder: "flows", Registry: reg, Runtime: rt})
//	if err != nil { … }
//	server, err := serve.New(served, reg, serve.Config{Workflows: flows})
//
// The runtime needs [workflow.Conventions], so it is another one than that of the server. These are
// the paths:
//
//	GET  /v1/workflows              the files, with what is wrong with them
//	GET  /v1/workflows/{file}       one of them as a graph, or its faults by line and column
//	POST /v1/workflows/{file}/runs  {"input":{…},"run":"ID","source":"name","dryRun":true} → 202
//	GET  /v1/runs                   the latest runs: of this process, and those that have a journal
//	GET  /v1/runs/{run}             one of them: each node with status, output, receipt and attempts
//	GET  /v1/runs/{run}/stream      ?after= what happens in it, as server-sent events
//	POST /v1/runs/{run}/cancel      ends what it does → 202
//
// A run goes on when the client that has started it leaves. One that is given an id has a journal:
// started again with the same id, file and input, it goes on where it ended, also in another
// process. Runs of earlier processes, and of workflow run, are listed as their journals have them.
// What this package remembers of its own runs is in memory only, and bounded.
//
// The handler checks neither tokens nor origins: that is for package guard.
package workflows

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"sync"

	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/serve/guard"
	"github.com/aacflow/segment-blocks/workflow"
)

// Bounds of a [Handler].
const (
	// MostRunning is how many runs may go on at once; others get 503.
	MostRunning = 16
	// MostRuns is how many runs a Handler remembers. Those that have ended are forgotten, the
	// oldest first, when there are more.
	MostRuns = 100
	// mostKept bounds the outputs and receipts that are remembered of one run, in bytes, and
	// mostEvents the events that a stream can still be given.
	mostKept, mostEvents = 4 << 20, 1000
	mostFiles            = 200
	// mostJournal bounds the journals that are read to their end, as that takes their size in
	// memory.
	mostJournal = 64 << 20
)

// Source is where runs can send.
type Source struct {
	Name string
	// Target says where that is in the journal of a run, such as an endpoint and the fingerprint of
	// a key. A run is not resumed with another one.
	Target string
}

// Config configures a [Handler].
type Config struct {
	// Folder holds the files: *.workflow.yaml, *.workflow.yml, and *.json, such as exports of
	// AACFlow. They are read at each request, so an edit needs no restart.
	Folder   string
	Registry *registry.Registry
	// Runtime invokes the blocks. It needs [workflow.Conventions].
	Runtime *runtime.Runtime
	// Sources are those of the runtime, the default one first.
	Sources []Source
	// Variables are the names that workflows may use as {{NAME}}, and Environment has their values.
	Variables   []string
	Environment workflow.Environment
}

// Handler answers the requests. It may be mounted under a prefix with http.StripPrefix.
type Handler struct {
	mux     guard.Mux
	cfg     Config
	ctx     context.Context //nolint:containedctx // of the runs, which outlive the requests that start them
	cancel  context.CancelFunc
	drain   func()
	drained chan struct{} // closed by drain
	going   sync.WaitGroup
	streams guard.Streams

	beginning sync.Mutex // held while a run begins
	mu        sync.Mutex
	runs      []*run // the oldest first
}

// New returns a handler. The error says that the folder cannot be read.
func New(cfg Config) (*Handler, error) {
	// Files may come later, but a folder that is misspelt should be told at the start.
	if _, err := os.ReadDir(cfg.Folder); err != nil {
		return nil, fmt.Errorf("cannot read the folder of workflows: %w", err)
	}
	h := &Handler{cfg: cfg, drained: make(chan struct{})}
	h.mux.Refuse = func(w http.ResponseWriter, r *http.Request, p *guard.Problem) { refuse(w, r, p) }
	h.handle("GET", "/v1/workflows", h.list)
	h.handle("GET", "/v1/workflows/{file}", h.file)
	h.handle("POST", "/v1/workflows/{file}/runs", h.begin)
	h.handle("GET", "/v1/runs", h.latest)
	h.handle("GET", "/v1/runs/{run}", h.run)
	h.handle("GET", "/v1/runs/{run}/stream", h.stream)
	h.handle("POST", "/v1/runs/{run}/cancel", h.cancelRun)
	h.ctx, h.cancel = context.WithCancel(context.Background())
	h.drain = sync.OnceFunc(func() { close(h.drained) })
	return h, nil
}

// Drain ends the streams, and refuses new runs.
func (h *Handler) Drain() { h.drain() }

// Close waits for the runs that go on, until ctx ends, and then cancels them. Those with a journal
// can be resumed. The error is that of ctx.
func (h *Handler) Close(ctx context.Context) error {
	// A run that is about to begin is waited for as well, and none will follow.
	h.beginning.Lock()
	h.Drain()
	h.beginning.Unlock()
	ended := make(chan struct{})
	go func() {
		h.going.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-ctx.Done():
	}
	h.mu.Lock()
	// Asked before they are canceled, as all have ended then.
	running := slices.ContainsFunc(h.runs, func(r *run) bool { return r.EndedAt.IsZero() })
	h.mu.Unlock()
	h.cancel()
	<-ended
	if running {
		return fmt.Errorf("close workflows: runs were canceled: %w", ctx.Err())
	}
	return nil
}

// Route names the route of a request for metrics, such as /v1/runs/{run}, or returns other.
func (h *Handler) Route(r *http.Request) string { return h.mux.Route(r) }

// ServeHTTP answers a request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.mux.ServeHTTP(w, r) }

// handle has a path answered. What an answer returns is what it is refused with.
func (h *Handler) handle(method, path string, answer func(http.ResponseWriter, *http.Request) error) {
	h.mux.Handle(method, path, func(w http.ResponseWriter, r *http.Request) {
		if err := answer(w, r); err != nil {
			refuse(w, r, err)
		}
	})
}

// refusal is a problem document with the faults of a workflow file.
type refusal struct {
	guard.Problem
	Faults   []workflow.Fault `json:"faults,omitempty"`
	Unlisted int              `json:"unlistedFaults,omitempty"`
}

func problem(status int, code, format string, args ...any) error {
	return &guard.Problem{Status: status, Code: code, Detail: fmt.Sprintf(format, args...)}
}

// refuse answers with the problem that an error is.
func refuse(w http.ResponseWriter, r *http.Request, err error) {
	var p *guard.Problem
	var faults *workflow.FileError
	doc := refusal{}
	switch {
	case errors.As(err, &p):
		doc.Problem = *p
	case errors.As(err, &faults):
		// The first fault stands in the detail too, for clients that show only that.
		doc.Status, doc.Code = http.StatusUnprocessableEntity, "invalid_workflow"
		doc.Faults, doc.Unlisted = faults.Faults, faults.Unlisted
		doc.Detail = fmt.Sprintf("%s is not a valid workflow, nothing was sent: line %d: %s", faults.File,
			faults.Faults[0].Line, faults.Faults[0].Message)
	default:
		doc.Status, doc.Code, doc.Detail = http.StatusInternalServerError, "internal", err.Error()
	}
	doc.Type = "/v1/errors/" + doc.Code
	doc.Fill(r)
	guard.WriteProblem(w, doc.Problem, doc)
}
