package workflow_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"
	"go.uber.org/goleak"

	"github.com/aacflow/segment-blocks/blocks"
	customblock "github.com/aacflow/segment-blocks/examples/custom-block"
	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/runtime/retry"
	"github.com/aacflow/segment-blocks/segment/emulator"
	"github.com/aacflow/segment-blocks/segment/tracking"
	"github.com/aacflow/segment-blocks/workflow"
)

func TestMain(m *testing.M) {
	if os.Getenv("WORKFLOW_FILE") != "" { // the process that TestKills kills
		runInChild()
		return
	}
	goleak.VerifyTestMain(m)
}

const testKey = "kQ3vT9xW2mZ7bN5cR8dL1fH6jP4sY0aE"

var registered = sync.OnceValue(func() *registry.Registry {
	reg := registry.New()
	blocks.MustRegister(reg)
	customblock.MustRegister(reg)
	return reg
})

// receiver is an emulator and what has come to it.
type receiver struct {
	*emulator.Emulator
	url string

	mu     sync.Mutex
	bodies []string
	before func(body string) // called with each request before the emulator sees it
}

func newReceiver(t testing.TB) *receiver {
	t.Helper()
	segment, err := emulator.New()
	require.NoError(t, err)
	r := &receiver{Emulator: segment, before: func(string) {}}
	handler := segment.Handler()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		r.mu.Lock()
		r.bodies = append(r.bodies, string(body))
		r.mu.Unlock()
		r.before(string(body))
		req.Body = io.NopCloser(bytes.NewReader(body))
		handler.ServeHTTP(w, req)
	}))
	r.url = server.URL
	t.Cleanup(func() {
		server.Close()
		require.NoError(t, segment.Close())
	})
	return r
}

func (r *receiver) requests() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string{}, r.bodies...)
}

func runtimeTo(t testing.TB, url string, options ...runtime.Option) *runtime.Runtime {
	t.Helper()
	source := tracking.Source{WriteKey: testKey, Endpoint: url, Retry: retry.Policy{
		MaxRetries: -1, BaseDelay: time.Millisecond, MaxDelay: time.Millisecond,
	}}
	options = append(options, runtime.Source("test", source), runtime.WithConventions(workflow.Conventions()))
	rt, err := runtime.New(registered(), options...)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		require.NoError(t, rt.Close(ctx))
	})
	return rt
}

func example(t testing.TB, name string) (string, []byte) {
	file := filepath.Join("..", "examples", name)
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	return file, data
}

func checked(t testing.TB, rt *runtime.Runtime, text string) *workflow.Graph {
	t.Helper()
	options := workflow.CheckOptions{Registry: registered(), Runtime: rt}
	g, err := workflow.Check(t.Context(), "test.yaml", []byte(text), options)
	require.NoError(t, err)
	return g
}

func journal(t testing.TB, folder, run string, o workflow.JournalOptions) *workflow.Journal {
	t.Helper()
	j, err := workflow.OpenJournal(folder, run, o)
	require.NoError(t, err)
	return j
}

func TestOrderEndToEnd(t *testing.T) {
	segment := newReceiver(t)
	rt := runtimeTo(t, segment.url)
	file, data := example(t, "order.workflow.yaml")
	g, err := workflow.Check(t.Context(), file, data, workflow.CheckOptions{Registry: registered(), Runtime: rt})
	require.NoError(t, err)
	folder := t.TempDir()
	var first string
	for range 2 { // the second time nothing is sent
		j := journal(t, folder, "RUN", workflow.JournalOptions{})
		res, err := workflow.Run(t.Context(), g, json.RawMessage(`{"userId":"u-7"}`),
			workflow.Options{Invoke: workflow.Invoker(rt), RunID: "RUN", Journal: j})
		require.NoError(t, err)
		require.NoError(t, j.Close())
		raw, err := json.Marshal(res)
		require.NoError(t, err)
		var doc struct {
			Run, Status string
			Nodes       map[string]struct {
				Status  string
				Output  map[string]any
				Receipt map[string]any
			}
		}
		require.NoError(t, json.Unmarshal(raw, &doc))
		require.Equal(t, "RUN succeeded", doc.Run+" "+doc.Status)
		require.Equal(t, "u-7", doc.Nodes["order"].Output["userId"])
		require.Regexp(t, "^RUN@[0-9a-f]{12}/order$", doc.Nodes["order"].Receipt["invocationId"])
		require.Equal(t, 1.0, doc.Nodes["big"].Receipt["accepted"])
		if first == "" {
			first = string(raw)
		}
		require.Equal(t, first, string(raw))
	}
	requests := segment.requests()
	require.Len(t, requests, 3)
	require.Contains(t, requests[1], `"properties":{"id":"o-1001","total":42.50}`)
	require.Len(t, segment.Events(emulator.Filter{}), 3)

	res, err := workflow.Run(t.Context(), g, json.RawMessage(`{"order":{"total":4}}`),
		workflow.Options{Invoke: workflow.Invoker(rt)})
	require.NoError(t, err)
	require.Equal(t, workflow.Skipped, res.State.Nodes[2].Status)
	raw, err := json.Marshal(res)
	require.NoError(t, err)
	require.Contains(t, string(raw), `"big":{"status":"skipped"}}}`)
}

// A host's own block takes part, beside Segment's.
func TestOwnBlock(t *testing.T) {
	segment := newReceiver(t)
	sent := make(chan string, 1)
	tally := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		sent <- string(body)
	}))
	defer tally.Close()
	rt := runtimeTo(t, segment.url,
		runtime.Source("tally", customblock.Source{URL: tally.URL, APIKey: "a-key-of-tally"}))
	g := checked(t, rt, `{name: x, start: {who: u-42}, nodes: {
		order: {block: segment_track, with: {userId: <start.who>, event: Order Completed}},
		tell: {block: tally_event, with: {event_type: "<order.event>", user_id: "<order.userId>"}}}}`)
	res, err := workflow.Run(t.Context(), g, nil, workflow.Options{Invoke: workflow.Invoker(rt), RunID: "R"})
	require.NoError(t, err)
	require.Equal(t, workflow.Succeeded, res.Status)
	require.Contains(t, <-sent, `"event_type":"Order Completed","user_id":"u-42"`)
}

// What a run repeats after it was canceled has the same message, with the time of its first start.
func TestCancelReachesTheCallAndResumeRepeatsIt(t *testing.T) {
	segment := newReceiver(t)
	rt := runtimeTo(t, segment.url)
	g := checked(t, rt, `{name: x, nodes: {
		a: {block: segment_track, with: {userId: u, event: first}},
		b: {block: segment_track, needs: [a], with: {userId: u, event: second}},
		c: {block: segment_track, needs: [b], with: {userId: u, event: third}}}}`)
	folder := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	hung := make(chan struct{})
	segment.before = func(body string) {
		if strings.Contains(body, "second") {
			cancel()
			<-hung
		}
	}
	j := journal(t, folder, "R", workflow.JournalOptions{})
	res, err := workflow.Run(ctx, g, nil, workflow.Options{Invoke: workflow.Invoker(rt), RunID: "R", Journal: j})
	close(hung)
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, workflow.Canceled, res.Status)
	require.NoError(t, j.Close())

	segment.before = func(string) {}
	j = journal(t, folder, "R", workflow.JournalOptions{MustExist: true})
	res, err = workflow.Run(t.Context(), g, j.Input(), workflow.Options{
		Invoke: workflow.Invoker(rt), RunID: "R", Journal: j,
		Observe: func(e workflow.Event) { require.Equal(t, e.Node == "a", e.Resumed) },
	})
	require.NoError(t, err)
	require.NoError(t, j.Close())
	require.Equal(t, workflow.Succeeded, res.Status)
	requests := segment.requests()
	require.Len(t, requests, 4)
	for _, field := range []string{"messageId", "timestamp", "event"} {
		require.Equal(t, textOf(t, requests[1], field), textOf(t, requests[2], field), "the second message, again")
	}
	require.Len(t, segment.Events(emulator.Filter{}), 3)
}

func textOf(t testing.TB, body, name string) string {
	obj, err := rawjson.ParseObject([]byte(body), rawjson.Limits{})
	require.NoError(t, err)
	return obj.Text(name)
}

func TestTimeoutAndRetry(t *testing.T) {
	segment := newReceiver(t)
	rt := runtimeTo(t, segment.url)
	g := checked(t, rt, `{name: x, nodes: {a: {block: segment_track, with: {userId: u, event: e}, timeout: 50ms,
		retry: {attempts: 3, wait: 1ms}}}}`)
	hang := make(chan struct{})
	defer close(hang)
	var tries atomic.Int32
	segment.before = func(string) {
		if tries.Add(1) < 3 {
			<-hang
		}
	}
	var attempts []int
	observe := func(e workflow.Event) {
		if e.Status == workflow.Running {
			attempts = append(attempts, e.Attempt)
		}
	}
	res, err := workflow.Run(t.Context(), g, nil, workflow.Options{Invoke: workflow.Invoker(rt), Observe: observe})
	require.NoError(t, err)
	require.Equal(t, workflow.Succeeded, res.Status)
	require.Equal(t, []int{1, 2, 3}, attempts)
	require.Len(t, segment.Events(emulator.Filter{}), 1)
}

// What cannot succeed is not tried again; a resume tries once more, and goes on behind it.
func TestFailedNodesAreDoneAgain(t *testing.T) {
	segment := newReceiver(t)
	rt := runtimeTo(t, segment.url)
	segment.Script(emulator.Fault{Status: http.StatusUnauthorized, Times: 1})
	g := checked(t, rt, `{name: x, nodes: {a: {block: segment_track, with: {userId: u, event: e}, retry: {attempts: 9}},
		b: {block: segment_track, needs: [a], with: {userId: u, event: f}}}}`)
	folder := t.TempDir()
	for _, want := range []workflow.Status{workflow.Failed, workflow.Succeeded} {
		j := journal(t, folder, "R", workflow.JournalOptions{})
		res, err := workflow.Run(t.Context(), g, nil,
			workflow.Options{Invoke: workflow.Invoker(rt), RunID: "R", Journal: j})
		require.NoError(t, err)
		require.NoError(t, j.Close())
		require.Equal(t, want, res.Status)
	}
	require.Len(t, segment.requests(), 3)
	require.Len(t, segment.Events(emulator.Filter{}), 2)
}

func TestJournalRefusals(t *testing.T) {
	segment := newReceiver(t)
	rt := runtimeTo(t, segment.url)
	text := `{name: x, start: {n: 1, m: [<]},
		nodes: {a: {block: segment_track, with: {userId: u, event: "e<start.n>"}}}}`
	g := checked(t, rt, text)
	folder := t.TempDir()
	run := func(g *workflow.Graph, input string, o workflow.JournalOptions) error {
		j := journal(t, folder, "R", o)
		defer func() { require.NoError(t, j.Close()) }()
		_, err := workflow.Run(t.Context(), g, json.RawMessage(input),
			workflow.Options{Invoke: workflow.Invoker(rt), RunID: "R", Journal: j})
		return err
	}
	require.NoError(t, run(g, "", workflow.JournalOptions{Target: "here"}))
	require.NoError(t, run(g, `{"n":1,"m":[ "<" ]}`, workflow.JournalOptions{Target: "here"}), "written otherwise")
	require.EqualError(t, run(g, `{"n":2,"m":["<"]}`, workflow.JournalOptions{Target: "there"}),
		`the run "R" began with something else, take another run id: what differs is the input "n", `+
			`and where events go (it was here, it is now there)`)
	require.ErrorContains(t, run(checked(t, rt, text+"\n"), "", workflow.JournalOptions{Target: "here"}),
		`what differs is the file (it was "x" with SHA-256`)

	j := journal(t, folder, "R", workflow.JournalOptions{})
	_, err := workflow.OpenJournal(folder, "R", workflow.JournalOptions{})
	require.ErrorIs(t, err, workflow.ErrRunInUse)
	require.NoError(t, j.Close())
	_, err = workflow.OpenJournal(folder, "S", workflow.JournalOptions{MustExist: true})
	require.ErrorContains(t, err, "no run has this id")
	_, err = workflow.OpenJournal(folder, "../S", workflow.JournalOptions{})
	require.ErrorContains(t, err, "a run id must be up to 64 letters")
	require.NoError(t, os.WriteFile(filepath.Join(folder, "T.db"), bytes.Repeat([]byte("no journal"), 1000), 0o600))
	_, err = workflow.OpenJournal(folder, "T", workflow.JournalOptions{})
	require.ErrorContains(t, err, "T.db")
}

// Segment forgets messageIds after a day. What was begun before that is not sent again unasked.
func TestOldRunsAreNotResumed(t *testing.T) {
	segment := newReceiver(t)
	rt := runtimeTo(t, segment.url)
	g := checked(t, rt, `{name: x, nodes: {done: {block: segment_track, with: {userId: u, event: e}},
		hung: {block: segment_track, needs: [done], with: {userId: u, event: f}},
		each: {block: segment_track, needs: [done], forEach: 2, with: {userId: u, event: g}}}}`)
	folder := t.TempDir()
	segment.Script(emulator.Fault{Status: http.StatusOK, Store: true, Times: 1}, emulator.Fault{Status: 401, Times: 9})
	run := func(o workflow.JournalOptions) (*workflow.Result, error) {
		j := journal(t, folder, "R", o)
		defer func() { require.NoError(t, j.Close()) }()
		return workflow.Run(t.Context(), g, nil, workflow.Options{Invoke: workflow.Invoker(rt), RunID: "R", Journal: j})
	}
	res, err := run(workflow.JournalOptions{})
	require.NoError(t, err)
	require.Equal(t, workflow.Failed, res.Status)

	long := time.Now().Add(-25 * time.Hour).UTC()
	db, err := bbolt.Open(filepath.Join(folder, "R.db"), 0o600, nil)
	require.NoError(t, err)
	require.NoError(t, db.Update(func(tx *bbolt.Tx) error {
		jobs := tx.Bucket([]byte("jobs"))
		older := map[string]json.RawMessage{}
		require.NoError(t, jobs.ForEach(func(id, job []byte) error {
			first := rawjson.Quote(long.Format(time.RFC3339Nano))
			older[string(id)] = rawjson.OpenObject(job).Set("first", first).JSON()
			return nil
		}))
		require.Len(t, older, 3)
		for id, job := range older {
			require.NoError(t, jobs.Put([]byte(id), job))
		}
		return nil
	}))
	require.NoError(t, db.Close())

	segment.ClearFaults()
	before := len(segment.requests())
	_, err = run(workflow.JournalOptions{})
	require.ErrorContains(t, err, "may count twice: each/0, hung; --allow-duplicates resumes it anyway")
	require.Len(t, segment.requests(), before)
	res, err = run(workflow.JournalOptions{AllowDuplicates: true})
	require.NoError(t, err)
	require.Equal(t, workflow.Succeeded, res.Status)
	requests := segment.requests()
	require.Len(t, requests, before+3)
	require.Equal(t, long.Format("2006-01-02T15:04:05.000Z"), textOf(t, requests[before], "timestamp"))
}

// A dry run sends nothing, and pins take the place of nodes.
func TestDryRun(t *testing.T) {
	segment := newReceiver(t)
	rt := runtimeTo(t, segment.url)
	g := checked(t, rt, `{name: x, start: {l: [a, b]}, nodes: {
		who: {block: segment_identify, with: {userId: u-1}},
		each: {block: segment_track, forEach: <start.l>, with: {userId: <who.userId>, event: "E <loop.currentItem>"}},
		last: {with: {event: "<each.results[1].event>", of: <who.userId>}}}}`)
	run := func(pins map[string]json.RawMessage) *workflow.Result {
		options := workflow.Options{Invoke: workflow.Previewer(rt, registered()), Pins: pins}
		res, err := workflow.Run(t.Context(), g, nil, options)
		require.NoError(t, err)
		require.Equal(t, workflow.Succeeded, res.Status)
		return res
	}
	res := run(nil)
	require.JSONEq(t, `{"event":"E b","of":"u-1"}`, string(res.State.Nodes[2].Output))
	require.Contains(t, string(res.State.Nodes[0].Receipt), `"preview":[{"method":"POST"`)
	res = run(map[string]json.RawMessage{"who": json.RawMessage(`{"userId":"pinned"}`)})
	require.JSONEq(t, `{"event":"E b","of":"pinned"}`, string(res.State.Nodes[2].Output))
	require.Empty(t, segment.requests())
}

// The blocks of a node that cannot be pinned would send.
func TestPinsOfNodesWithoutBlock(t *testing.T) {
	g := checked(t, nil, `{name: x, nodes: {
		each: {forEach: 2, nodes: {a: {block: segment_track, with: {userId: u, event: e}}}}}}`)
	for _, id := range []string{"each", "nobody"} {
		_, err := workflow.Run(t.Context(), g, nil, workflow.Options{Pins: map[string]json.RawMessage{id: nil}})
		require.ErrorContains(t, err, "only a node with a block can be pinned")
	}
}

// What a user wrote into data is data, even where it looks like a reference.
func TestDataIsNoTemplate(t *testing.T) {
	segment := newReceiver(t)
	rt := runtimeTo(t, segment.url)
	g := checked(t, rt,
		`{name: x, start: {event: e}, nodes: {a: {block: segment_track, with: {userId: u, event: <start.event>}}}}`)
	env := func(string) (string, bool) { return "secret", true }
	res, err := workflow.Run(t.Context(), g, json.RawMessage(`{"event":"{{HOME}}"}`),
		workflow.Options{Invoke: workflow.Invoker(rt), Environment: env})
	require.NoError(t, err)
	require.Equal(t, workflow.Succeeded, res.Status)
	require.Equal(t, "{{HOME}}", textOf(t, segment.requests()[0], "event"))
}
