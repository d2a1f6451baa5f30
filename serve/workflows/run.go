package workflows

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/serve/guard"
	"github.com/aacflow/segment-blocks/workflow"
)

// run is a run and what has been observed of it. The handler's mu guards all fields but cancel.
type run struct {
	Run       string          `json:"run"`
	File      string          `json:"file"`
	Name      string          `json:"name"`
	Source    string          `json:"source"`
	DryRun    bool            `json:"dryRun"`
	Status    workflow.Status `json:"status"`
	StartedAt time.Time       `json:"startedAt"`
	EndedAt   time.Time       `json:"endedAt,omitzero"`
	// Error says why the run could not go on, such as a full disk below its journal.
	Error string `json:"error,omitempty"`

	graph   *workflow.Graph
	order   []string // the ids of the nodes, also of bodies, in the order of the file
	nodes   map[string]*state
	kept    int // the bytes of outputs and receipts in nodes
	events  []event
	before  uint64             // the number before that of the first event
	last    uint64             // the number of the last event
	changed chan struct{}      // closed by the next event
	cancel  context.CancelFunc // nil if another process is running it
}

// state is the progress of a node.
type state struct {
	Status    workflow.Status `json:"status"`
	StartedAt time.Time       `json:"startedAt,omitzero"`
	EndedAt   time.Time       `json:"endedAt,omitzero"`
	// Resumed tells that the node ended in an earlier process.
	Resumed  bool      `json:"resumed,omitempty"`
	Attempts []attempt `json:"attempts,omitempty"`
	// Iterations counts the iterations of a node with forEach.
	Iterations *iterations     `json:"iterations,omitempty"`
	Output     json.RawMessage `json:"output,omitempty"`
	Error      json.RawMessage `json:"error,omitempty"`
	Receipt    json.RawMessage `json:"receipt,omitempty"`
	// Omitted tells that the output and receipt were too large to be kept here.
	Omitted bool `json:"omitted,omitempty"`
}

// attempt is one try of a node. Every try but the first begins with a wait.
type attempt struct {
	StartedAt time.Time       `json:"startedAt"`
	Error     json.RawMessage `json:"error,omitempty"`
}

type iterations struct {
	Started int `json:"started"`
	Ended   int `json:"ended"`
	Failed  int `json:"failed"`
}

// event is something that has happened, as streams send it.
type event struct {
	seq  uint64
	kind string // of the server-sent event: node, or end
	data json.RawMessage
}

// begin starts a run, and answers once it has begun. It refuses a faulty file, an input that does
// not fit, and a run that cannot be resumed, before anything is sent.
func (h *Handler) begin(w http.ResponseWriter, r *http.Request) error {
	run, err := h.start(w, r, r.PathValue("file"))
	if err != nil {
		return err
	}
	w.Header().Set("Location", "../../runs/"+run.Run)
	return answer(w, http.StatusAccepted, h.document(run))
}

func (h *Handler) start(w http.ResponseWriter, r *http.Request, name string) (*run, error) {
	o, source, err := h.orderOf(w, r)
	if err != nil {
		return nil, err
	}
	g, err := h.check(r.Context(), name, o.Input)
	if err != nil {
		if errors.As(err, new(*workflow.FileError)) || errors.As(err, new(*guard.Problem)) {
			return nil, err
		}
		return nil, problem(http.StatusUnprocessableEntity, string(runtime.InvalidInput), "%s", err)
	}
	run := newRun(g, name, source.Name, o, time.Now())
	// Runs begin one at a time, so that the checks here still hold when the run is in the list.
	h.beginning.Lock()
	defer h.beginning.Unlock()
	if err := h.mayBegin(run.Run); err != nil {
		return nil, err
	}
	proceed, journal, err := h.prepare(run, g, o, source)
	if err != nil {
		return nil, problem(http.StatusConflict, codeConflict, "%s", err)
	}
	// This is not the context of the request, because the run goes on when its client leaves.
	ctx, cancel := context.WithCancel(h.ctx) //nolint:gosec // follow cancels it
	run.cancel = cancel
	h.add(run)
	h.going.Add(1)
	go h.follow(ctx, run, proceed, journal) //nolint:contextcheck // it outlives the request
	return run, nil
}

// proceed runs a graph to its end.
type proceed func(context.Context) (*workflow.Result, error)

// prepare opens the journal of a run that was given an id, and binds it to the run. Other runs have
// none, because nobody could resume them.
func (h *Handler) prepare(run *run, g *workflow.Graph, o order, source *Source) (proceed, *workflow.Journal, error) {
	options := workflow.Options{
		Invoke: workflow.Invoker(h.cfg.Runtime, runtime.ToSource(source.Name)), RunID: run.Run,
		Environment: h.cfg.Environment,
		Observe: func(e workflow.Event) {
			h.mu.Lock()
			defer h.mu.Unlock()
			run.see(e)
		},
	}
	if o.DryRun {
		options.Invoke = workflow.Previewer(h.cfg.Runtime, h.cfg.Registry, runtime.ToSource(source.Name))
	}
	var err error
	if o.Run != "" {
		options.Journal, err = workflow.OpenJournal(h.journals(run.File), o.Run, workflow.JournalOptions{
			Target: source.Target, AllowDuplicates: o.AllowDuplicates,
		})
		if err != nil {
			return nil, nil, err
		}
	}
	proceed, err := workflow.Prepare(g, o.Input, options)
	if err != nil && options.Journal != nil {
		err = errors.Join(err, options.Journal.Close())
	}
	return proceed, options.Journal, err
}

// codeConflict is the code for a run that cannot begin under its id: it is already in progress, it
// began with another file or input, or it is too old to be resumed.
const codeConflict = "run_conflict"

func newRun(g *workflow.Graph, name, source string, o order, at time.Time) *run {
	// A client may come back after the run has been resumed, perhaps in another process. Events are
	// numbered from the time in microseconds, so that new ones have numbers that it has not seen.
	before := uint64(at.UnixMicro()) //nolint:gosec // it is after 1970
	run := &run{
		Run: cmp.Or(o.Run, uuid.NewString()), File: name, Name: g.Name, graph: g, Source: source, DryRun: o.DryRun,
		Status: workflow.Running, StartedAt: stampOf(at), nodes: map[string]*state{}, before: before, last: before,
		changed: make(chan struct{}),
	}
	run.expect(g)
	return run
}

// expect adds the nodes of a graph, and after each loop the nodes of its body.
func (r *run) expect(g *workflow.Graph) {
	for _, n := range g.Nodes {
		r.order = append(r.order, n.ID)
		r.nodes[n.ID] = &state{Status: workflow.Pending}
		if n.Body != nil {
			r.expect(n.Body)
		}
	}
}

// mayBegin refuses a run while a run with its id or too many others are running, or the server is
// stopping.
func (h *Handler) mayBegin(id string) error {
	busy := func(code, format string, args ...any) error {
		return &guard.Problem{
			Status: http.StatusServiceUnavailable, Code: code, Retryable: true, RetryAfter: time.Second,
			Detail: fmt.Sprintf(format, args...),
		}
	}
	select {
	case <-h.drained:
		return busy(string(runtime.Closed), "the server is stopping and begins no more runs")
	default:
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	running := 0
	for _, r := range h.runs {
		if r.EndedAt.IsZero() {
			running++
			if r.Run == id {
				return problem(http.StatusConflict, codeConflict, "the run is already in progress: %q", id)
			}
		}
	}
	if running >= MostRunning {
		return busy("overloaded", "the server runs as many workflows as it may: %d", MostRunning)
	}
	return nil
}

// add puts a run into the list, in place of an ended one with its id, or of the oldest ended ones.
// A running one is never forgotten, because its client may want to cancel it.
func (h *Handler) add(added *run) {
	h.mu.Lock()
	defer h.mu.Unlock()
	excess := len(h.runs) + 1 - MostRuns
	h.runs = slices.DeleteFunc(h.runs, func(r *run) bool { // which begins with the oldest
		gone := r.Run == added.Run || excess > 0 && !r.EndedAt.IsZero()
		if gone {
			excess--
		}
		return gone
	})
	h.runs = append(h.runs, added)
}

// follow runs a graph to its end.
func (h *Handler) follow(ctx context.Context, run *run, proceed proceed, journal *workflow.Journal) {
	defer h.going.Done()
	defer run.cancel()
	res, err := proceed(ctx)
	// This comes before the end is announced, because then a client may resume the run at once.
	if journal != nil {
		err = errors.Join(err, journal.Close())
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	run.end(res.Status, err)
}

// see takes in an event of a run. The caller holds the lock, or is the only one to have the run.
func (r *run) see(e workflow.Event) {
	s := r.nodes[e.Node]
	started := e.Status == workflow.Running
	// A loop starts with its first iteration.
	if s.StartedAt.IsZero() && started {
		s.StartedAt = stamp()
	}
	if e.Iteration != nil {
		s.iterate(e)
	} else {
		s.Status = e.Status
		if last := len(s.Attempts) - 1; last >= 0 {
			s.Attempts[last].Error = e.Error
		}
		if started {
			s.Attempts = append(s.Attempts, attempt{StartedAt: stamp()})
		} else {
			r.endNode(s, e)
			r.endBody(e.Node)
		}
	}
	e.Output, e.Receipt = nil, nil // a stream tells what happens, and the document of the run has the results
	raw, _ := json.Marshal(e)      // it consists of JSON and plain values
	r.tell("node", raw)
}

func (s *state) iterate(e workflow.Event) {
	if s.Iterations == nil {
		s.Iterations = &iterations{}
	}
	s.Status = workflow.Running
	if e.Status == workflow.Running {
		if e.Attempt == 1 {
			s.Iterations.Started++
		}
		return
	}
	s.Iterations.Ended++
	s.Iterations.Started = max(s.Iterations.Started, s.Iterations.Ended) // resumed iterations do not start
	if e.Status == workflow.Failed {
		s.Iterations.Failed++
	}
}

func (r *run) endNode(s *state, e workflow.Event) {
	s.EndedAt, s.Resumed, s.Error = stamp(), e.Resumed, e.Error
	// The run itself uses the whole output. Only what is remembered here is bounded.
	if r.kept+len(e.Output)+len(e.Receipt) > mostKept {
		s.Omitted = true
		return
	}
	r.kept += len(e.Output) + len(e.Receipt)
	s.Output, s.Receipt = e.Output, e.Receipt
}

// endBody derives the statuses of the nodes inside a loop that has ended from their iterations.
func (r *run) endBody(loop string) {
	n := r.graph.Node(loop)
	if n.Body == nil {
		return
	}
	for _, inner := range n.Body.Nodes {
		// The nodes of a body have no events of their own, only those of their iterations.
		switch s := r.nodes[inner.ID]; {
		case s.Iterations == nil:
			s.Status = workflow.Skipped
		case s.Iterations.Failed > 0:
			s.Status = workflow.Failed
		default:
			s.Status = workflow.Succeeded
		}
	}
}

// end takes in that a run has ended. Canceled nodes are pending, as for a resume.
func (r *run) end(status workflow.Status, err error) {
	r.Status, r.EndedAt = status, stamp()
	if err != nil && !errors.Is(err, context.Canceled) {
		r.Error = err.Error()
	}
	for _, s := range r.nodes {
		// Nothing runs it now, but a resume will.
		if s.Status == workflow.Running {
			s.Status = workflow.Pending
		}
	}
	raw, _ := json.Marshal(map[string]any{"run": r.Run, "status": status})
	r.tell("end", raw)
}

func (r *run) tell(kind string, data json.RawMessage) {
	r.last++
	// A stream that lags behind gets the number of events that it missed.
	if r.events = append(r.events, event{r.last, kind, data}); len(r.events) > mostEvents {
		r.events = r.events[1:]
	}
	// All streams wait for this channel. The next event has another one.
	close(r.changed)
	r.changed = make(chan struct{})
}

// document returns a run with its nodes in the order of the file.
func (h *Handler) document(r *run) rawjson.Object {
	h.mu.Lock()
	defer h.mu.Unlock()
	// A Go map would not keep that order.
	head, _ := json.Marshal(r) // it has only plain values
	nodes := rawjson.Object{}
	for _, id := range r.order {
		raw, _ := json.Marshal(r.nodes[id])
		nodes = append(nodes, rawjson.Member{Name: id, Value: raw})
	}
	return append(rawjson.OpenObject(head), rawjson.Member{Name: "nodes", Value: nodes.JSON()})
}
