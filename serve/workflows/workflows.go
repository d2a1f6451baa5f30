// Package workflows serves the workflow files of a folder over HTTP: it lists them, runs them in
// this process, and shows the progress of their runs.
//
//	flows, err := workflows.New(workflows.Config{Folder: "flows", Registry: reg, Runtime: rt})
//	if err != nil { … }
//	server, err := serve.New(served, reg, serve.Config{Workflows: flows})
//
// The runtime needs [workflow.Conventions], so it is not the runtime of the server. The paths are:
//
//	GET  /v1/workflows              the files, with their faults
//	GET  /v1/workflows/{file}       a file as a graph, or its faults by line and column
//	POST /v1/workflows/{file}/runs  {"input":{…},"run":"ID","source":"name"} or "dryRun" → 202
//	GET  /v1/runs                   the latest runs of this process, and all with a journal
//	GET  /v1/runs/{run}             each node with status, output, receipt and attempts
//	GET  /v1/runs/{run}/stream      ?after= its events, as server-sent events
//	POST /v1/runs/{run}/cancel      cancels the run → 202
//
// A run goes on when the client that started it leaves. A run with an id has a journal: started
// again with the same id, file and input, it continues where it ended, also in another process.
// Runs of earlier processes, and those of the command workflow run, are listed from their journals.
// What this package remembers about its own runs is in memory only, and bounded.
//
// The handler checks neither tokens nor origins; package guard does.
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
	// MostRunning is how many runs may be running at once; others get 503.
	MostRunning = 16
	// MostRuns is how many runs a Handler remembers. When there are more, it forgets those that
	// have ended, the oldest first.
	MostRuns = 100
	// mostKept bounds the bytes of outputs and receipts that are remembered of a run, and
	// mostEvents its events, which streams send.
	mostKept, mostEvents = 4 << 20, 1000
	mostFiles            = 200
	// mostJournal bounds the size of journals that are read whole, which takes as much memory.
	mostJournal = 64 << 20
)

// Source is a source that runs can send to.
type Source struct {
	Name string
	// Target describes the source in the journals of its runs, such as its endpoint and the
	// fingerprint of its key. A run cannot be resumed with another target.
	Target string
}

// Config configures a [Handler].
type Config struct {
	// Folder has the files: *.workflow.yaml, *.workflow.yml, and *.json, such as exports of
	// AACFlow. They are read at each request, so an edit needs no restart.
	Folder   string
	Registry *registry.Registry
	// Runtime invokes the blocks. It needs [workflow.Conventions].
	Runtime *runtime.Runtime
	// Sources are the sources of the runtime, the default one first.
	Sources []Source
	// Variables are the names that workflows may use as {{NAME}}, and Environment returns their
	// values.
	Variables   []string
	Environment workflow.Environment
}

// Handler answers the requests. It may be mounted under a prefix with http.StripPrefix.
type Handler struct {
	mux     guard.Mux
	cfg     Config
	ctx     context.Context //nolint:containedctx // of the runs, which outlive requests
	cancel  context.CancelFunc
	drain   func()
	drained chan struct{} // closed by drain
	going   sync.WaitGroup
	streams guard.Streams

	beginning sync.Mutex // held while a run begins, or the handler closes
	mu        sync.Mutex
	runs      []*run // the oldest first
}

// New returns a handler. The error says that the folder cannot be read.
func New(cfg Config) (*Handler, error) {
	// Files may come later, but a misspelt folder should be an error at the start.
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

// Close waits until the running runs have ended, or cancels them when ctx ends. Runs with a journal
// can be resumed. The error is that of ctx.
func (h *Handler) Close(ctx context.Context) error {
	// It waits for a run that is about to begin. None follows.
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
	// Asked before the runs are canceled: afterwards, all have ended.
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

// handle answers a path. The request is refused with the error that answer returns.
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

// refuse answers with an error as a problem document.
func refuse(w http.ResponseWriter, r *http.Request, err error) {
	var p *guard.Problem
	var faults *workflow.FileError
	doc := refusal{}
	switch {
	case errors.As(err, &p):
		doc.Problem = *p
	case errors.As(err, &faults):
		// The detail has the first fault, for clients that show only that.
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
