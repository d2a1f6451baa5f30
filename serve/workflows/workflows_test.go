package workflows_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/aacflow/segment-blocks/blocks"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/segment/emulator"
	"github.com/aacflow/segment-blocks/segment/tracking"
	"github.com/aacflow/segment-blocks/serve"
	"github.com/aacflow/segment-blocks/serve/workflows"
	"github.com/aacflow/segment-blocks/workflow"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testKey = "kQ3vT9xW2mZ7bN5cR8dL1fH6jP4sY0aE"
	order   = `name: order
start: {userId: u-42, total: 42.50}
nodes:
  who: {block: segment_identify, with: {userId: <start.userId>}}
  big: {block: segment_track, needs: [who], when: start.total > 40, with: {userId: <start.userId>, event: Big}}
  each: {block: segment_track, forEach: 3, with: {userId: u, event: "E<loop.index>"}}
  both: {forEach: 2, nodes: {first: {block: segment_page, with: {userId: u}},
    never: {block: segment_page, when: loop.index > 9, with: {userId: u}}}}
`
)

// bench is a server with a folder of workflows, and what it sends to.
type bench struct {
	*testing.T
	url, folder string
	segment     *emulator.Server
	flows       *workflows.Handler
	router      routers.Router
}

func start(t *testing.T) *bench {
	segment, err := emulator.Start()
	require.NoError(t, err)
	b := &bench{T: t, folder: t.TempDir(), segment: segment}
	b.write("order.workflow.yaml", order)
	reg := registry.New()
	blocks.MustRegister(reg)
	source := runtime.Source("test", tracking.Source{WriteKey: testKey, Endpoint: segment.URL})
	rt, err := runtime.New(reg, source, runtime.WithConventions(workflow.Conventions()))
	require.NoError(t, err)
	b.flows, err = workflows.New(workflows.Config{
		Folder: b.folder, Registry: reg, Runtime: rt, Sources: []workflows.Source{{Name: "test", Target: "here"}},
	})
	require.NoError(t, err)
	server, err := serve.New(rt, reg, serve.Config{Workflows: b.flows})
	require.NoError(t, err)
	web := httptest.NewServer(server)
	b.url = web.URL
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		server.Drain()
		require.NoError(t, b.flows.Close(ctx))
		http.DefaultClient.CloseIdleConnections()
		web.Close()
		require.NoError(t, rt.Close(ctx))
		require.NoError(t, segment.Close(ctx))
	})
	_, text := b.ask("GET", "/openapi.json", "")
	doc, err := openapi3.NewLoader().LoadFromData([]byte(text))
	require.NoError(t, err)
	b.router, err = legacy.NewRouter(doc)
	require.NoError(t, err)
	return b
}

func (b *bench) write(name, text string) {
	require.NoError(b, os.WriteFile(filepath.Join(b.folder, name), []byte(text), 0o600))
}

// ask sends a request, and demands that the answer is as /openapi.json describes it.
func (b *bench) ask(method, path, body string) (int, string) {
	b.Helper()
	req, err := http.NewRequestWithContext(b.Context(), method, b.url+path, strings.NewReader(body))
	require.NoError(b, err)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	require.NoError(b, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	require.NoError(b, err)
	if b.router == nil {
		return res.StatusCode, string(text)
	}
	described, err := http.NewRequest(method, path, http.NoBody)
	require.NoError(b, err)
	if route, params, err := b.router.FindRoute(described); err == nil {
		options := &openapi3filter.Options{IncludeResponseStatus: true}
		require.NoError(b, openapi3filter.ValidateResponse(b.Context(), &openapi3filter.ResponseValidationInput{
			RequestValidationInput: &openapi3filter.RequestValidationInput{
				Request: described, PathParams: params, Route: route, Options: options,
			},
			Status: res.StatusCode, Header: res.Header, Body: io.NopCloser(bytes.NewReader(text)), Options: options,
		}), "%s", text)
	}
	return res.StatusCode, string(text)
}

// run is what a test reads of a run.
type run struct {
	Run, Status, Error string
	Nodes              map[string]struct {
		Status     string
		Output     json.RawMessage
		Error      struct{ Code string }
		Receipt    struct{ Accepted int }
		Attempts   []struct{ Error struct{ Code string } }
		Iterations struct{ Started, Ended, Failed int }
		Resumed    bool
	}
}

func (b *bench) begin(file, body string) (r run) {
	b.Helper()
	status, text := b.ask("POST", "/v1/workflows/"+file+"/runs", body)
	require.Equal(b, 202, status, text)
	require.NoError(b, json.Unmarshal([]byte(text), &r))
	return r
}

// ended waits for the end of a run.
func (b *bench) ended(id string) (r run) {
	b.Helper()
	require.Eventually(b, func() bool {
		_, text := b.ask("GET", "/v1/runs/"+id, "")
		r = run{}
		require.NoError(b, json.Unmarshal([]byte(text), &r))
		return r.Status != "running"
	}, 20*time.Second, 10*time.Millisecond)
	return r
}

func TestFiles(t *testing.T) {
	b := start(t)
	b.write("broken.workflow.yaml", "name: x\nnodes:\n  a: {block: segment_trak, needs: [b]}\n")
	b.write("notes.txt", "no workflow")
	require.NoError(t, os.Mkdir(filepath.Join(b.folder, "folder.json"), 0o700))
	require.NoError(t, os.Symlink("/etc/hostname", filepath.Join(b.folder, "out.json")))
	_, text := b.ask("GET", "/v1/workflows", "")
	require.JSONEq(t, `{"workflows":[
		{"file":"broken.workflow.yaml","name":"broken.workflow.yaml","valid":false,"nodes":0,"faults":2},
		{"file":"order.workflow.yaml","name":"order","valid":true,"nodes":4,"faults":0},
		{"file":"out.json","name":"out.json","valid":false,"nodes":0,"faults":1}]}`, text)
	_, text = b.ask("GET", "/v1/workflows/order.workflow.yaml", "")
	require.Contains(t, text, `"start":{"userId":"u-42","total":42.50}`)
	require.Contains(t, text, `{"id":"big","block":"segment_track","needs":[{"node":"who"}],"with":{`)
	require.Contains(t, text, `"when":"start.total \u003e 40"`)
	_, text = b.ask("GET", "/v1/workflows/broken.workflow.yaml", "")
	require.Contains(t, text,
		`{"line":3,"column":14,"path":"/nodes/a/block","message":"segment_trak is not a known block`)
	for _, path := range []string{
		"workflows/none.json", "workflows/notes.txt", "workflows/folder.json", "workflows/..%2F..%2Fetc%2Fpasswd",
		"workflows/", "workflows/out.json", "workflows/a%00.json", "runs/x", "runs/x/stream", "runs/x/y",
		"workflows/a/b/c/d",
	} {
		status, text := b.ask("GET", "/v1/"+path, "")
		require.Equal(t, 404, status, path)
		require.Contains(t, text, `"code":"not_found"`, path)
	}
	status, _ := b.ask("DELETE", "/v1/runs", "")
	require.Equal(t, 405, status)
	_, err := workflows.New(workflows.Config{Folder: "/nowhere"})
	require.ErrorContains(t, err, "/nowhere")
}

func TestRun(t *testing.T) {
	b := start(t)
	require.NoError(t, b.segment.Script(emulator.Fault{Status: 401, Path: "/v1/identify", Times: 1}))
	begun := b.begin("order.workflow.yaml", `{"input":{"total":50},"run":"R"}`)
	require.Equal(t, "R", begun.Run)
	r := b.ended("R")
	require.Equal(t, "failed", r.Status)
	require.Equal(t, "unauthorized", r.Nodes["who"].Error.Code)
	require.Equal(t, "unauthorized", r.Nodes["who"].Attempts[0].Error.Code)
	require.Equal(t, "skipped", r.Nodes["big"].Status)
	require.Equal(t, 3, r.Nodes["each"].Iterations.Ended)

	b.begin("order.workflow.yaml", `{"input":{"total":50},"run":"R"}`) // which goes on
	r = b.ended("R")
	require.Equal(t, "succeeded", r.Status)
	require.Equal(t, 1, r.Nodes["big"].Receipt.Accepted)
	require.Equal(t, 3, r.Nodes["each"].Iterations.Started)
	require.Equal(t, 2, r.Nodes["first"].Iterations.Ended)
	require.Equal(t, "succeeded skipped", r.Nodes["first"].Status+" "+r.Nodes["never"].Status)
	require.Len(t, b.segment.Events(emulator.Filter{}), 7)

	status, text := b.ask("POST", "/v1/workflows/order.workflow.yaml/runs", `{"run":"R"}`)
	require.Equal(t, 409, status)
	require.Contains(t, text, `what differs is the input \"total\"`)
	require.Equal(t, "succeeded", b.ended("R").Status, "what is refused changes nothing")

	r = b.ended(b.begin("order.workflow.yaml", `{"dryRun":true}`).Run)
	require.Equal(t, "succeeded", r.Status)
	require.Len(t, b.segment.Events(emulator.Filter{}), 7, "a dry run sends nothing")
	_, text = b.ask("GET", "/v1/runs", "")
	require.Regexp(t, `^{"runs":\[{"run":"[0-9a-f-]{36}","file":"order.workflow.yaml".*{"run":"R",.*}]}\n$`, text)
	_, text = b.ask("GET", "/v1/runs/"+r.Run, "")
	require.NotContains(t, text, testKey)
}

// What journals have is told of runs of other processes.
func TestEarlierRuns(t *testing.T) {
	b := start(t)
	require.NoError(t, b.segment.Script(emulator.Fault{Status: 401, Path: "/v1/identify", Times: 1}))
	b.begin("order.workflow.yaml", `{"input":{"total":50},"run":"R"}`)
	was := b.ended("R")

	later := start(t)
	require.NoError(t, os.Remove(filepath.Join(later.folder, "order.workflow.yaml")))
	require.NoError(t, os.CopyFS(later.folder, os.DirFS(b.folder)))
	folder := filepath.Join(later.folder, "order.workflow.yaml.runs")
	require.NoError(t, os.WriteFile(filepath.Join(folder, "damaged.db"), []byte("no journal"), 0o600))
	held, err := workflow.OpenJournal(folder, "held", workflow.JournalOptions{})
	require.NoError(t, err)
	_, text := later.ask("GET", "/v1/runs", "")
	require.Contains(t, text, `{"run":"R","file":"order.workflow.yaml","name":"order","source":"test","dryRun":false,`+
		`"status":"failed","startedAt":"`)
	require.Contains(t, text, `"error":"the run is in use by another process: \"held\""`)
	require.Contains(t, text, `"run":"damaged","file":"order.workflow.yaml"`)
	require.Contains(t, text, `damaged.db: invalid database`)
	require.Equal(t, 3, strings.Count(text, `"run":`))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "empty.db"), nil, 0o600))
	status, text := later.ask("GET", "/v1/runs/empty", "")
	require.Equal(t, 404, status)
	require.Contains(t, text, "no run has this id")
	_, text = later.ask("GET", "/v1/runs/held", "")
	require.Contains(t, text, `"status":"running"`)
	for method, path := range map[string]string{"POST": "cancel", "GET": "stream"} {
		status, text = later.ask(method, "/v1/runs/held/"+path, "")
		require.Equal(t, 409, status)
		require.Contains(t, text, `the run is in use by another process: \"held\"`)
	}
	require.NoError(t, held.Close())

	r := later.ended("R")
	require.Equal(t, was.Nodes["who"].Error, r.Nodes["who"].Error)
	for id, n := range was.Nodes {
		require.Equal(t, n.Status, r.Nodes[id].Status, id)
		require.Equal(t, n.Receipt, r.Nodes[id].Receipt, id)
		require.Equal(t, n.Iterations, r.Nodes[id].Iterations, id)
	}
	res, err := http.Get(later.url + "/v1/runs/R/stream")
	require.NoError(t, err)
	defer res.Body.Close()
	stream, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Contains(t, string(stream), `data: {"run":"R","status":"failed"}`)
	status, _ = later.ask("POST", "/v1/runs/R/cancel", "")
	require.Equal(t, 202, status)

	// It is resumed as any other. With another file its nodes mean nothing.
	later.begin("order.workflow.yaml", `{"input":{"total":50},"run":"R"}`)
	require.Equal(t, "succeeded", later.ended("R").Status)
	b.write("order.workflow.yaml", order+"# another\n")
	last := start(t)
	require.NoError(t, os.Remove(filepath.Join(last.folder, "order.workflow.yaml")))
	require.NoError(t, os.CopyFS(last.folder, os.DirFS(b.folder)))
	r = last.ended("R")
	require.Equal(t, "failed", r.Status)
	require.Equal(t, `the file has changed since the run "R" began`, r.Error)
}

func TestRefusals(t *testing.T) {
	b := start(t)
	b.write("broken.json", `{"name": "x", "nodes": {"a": {"block": "segment_track"}}}`)
	for body, want := range map[string]string{
		`[]`:                        `400 the body`,
		`{"input":7}`:               `422 the input of a workflow`,
		`{"input":{"n":1}}`:         `422 the workflow has no input "n"`,
		`{"input":{"userId":7}}`:    `422 order.workflow.yaml is not a valid workflow`,
		`{"inputs":{}}`:             `400 the body must have no members but`,
		`{"run":"../x"}`:            `400 run must be up to 64 letters`,
		`{"run":"x","dryRun":true}`: `400 a dry run cannot be resumed`,
		`{"source":"prod"}`:         `422 no source has this name: "prod"`,
		`{"run":7}`:                 `400 the body must`,
	} {
		status, text := b.ask("POST", "/v1/workflows/order.workflow.yaml/runs", body)
		var p struct{ Detail string }
		require.NoError(t, json.Unmarshal([]byte(text), &p))
		require.Contains(t, fmt.Sprint(status, " ", p.Detail), want, body)
	}
	status, text := b.ask("POST", "/v1/workflows/broken.json/runs", "")
	require.Equal(t, 422, status)
	require.Contains(t, text, `"code":"invalid_workflow"`)
	require.Contains(t, text, `"faults":[{"line":1,`)
	require.Empty(t, b.segment.Requests())
	_, text = b.ask("GET", "/v1/runs", "")
	require.JSONEq(t, `{"runs":[]}`, text)
}

// A stream tells all that happens, begins where its client left, and ends with the run.
func TestStreamAndCancel(t *testing.T) {
	b := start(t)
	require.NoError(t, b.segment.Script(emulator.Fault{Delay: time.Minute, Path: "/v1/identify"}))
	b.begin("order.workflow.yaml", `{"run":"R"}`)
	read := func(after string) (kinds []string, text string) {
		res, err := http.Get(b.url + "/v1/runs/R/stream?after=" + after)
		require.NoError(t, err)
		defer res.Body.Close()
		lines := bufio.NewScanner(res.Body)
		for lines.Scan() {
			text += lines.Text() + "\n"
			if kind, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
				kinds = append(kinds, kind)
			}
			if strings.Contains(lines.Text(), `"node":"each","status":"succeeded"`) {
				status, _ := b.ask("POST", "/v1/runs/R/cancel", "")
				require.Equal(t, 202, status)
			}
		}
		return kinds, text
	}
	kinds, text := read("0")
	require.Equal(t, "end", kinds[len(kinds)-1])
	require.Contains(t, text, `data: {"run":"R","status":"canceled"}`)
	require.Contains(t, text, `"node":"each","iteration":2,"status":"running"`)
	r := b.ended("R")
	require.Equal(t, "canceled", r.Status)
	require.Equal(t, "pending", r.Nodes["who"].Status)
	ids := regexp.MustCompile("(?m)^id: (.*)$").FindAllStringSubmatch(text, -1)
	lastID := ids[len(ids)-1][1]
	again, _ := read(ids[len(ids)-2][1])
	require.Equal(t, []string{"end"}, again)
	again, _ = read("9" + lastID)
	require.Equal(t, kinds, again)
	status, _ := b.ask("GET", "/v1/runs/R/stream?after="+lastID, "")
	require.Equal(t, 204, status)
	// A client that comes back after the run was resumed gets the events since, and no others.
	b.begin("order.workflow.yaml", `{"run":"R"}`)
	require.Equal(t, "succeeded", b.ended("R").Status)
	resumed, text := read("0")
	require.NotContains(t, resumed, "gap")
	after, _ := read(lastID)
	require.Equal(t, resumed, after)
	require.Contains(t, text, `"node":"who","status":"running"`)
	status, _ = b.ask("GET", "/v1/runs/R/stream?after=x", "")
	require.Equal(t, 400, status)
	b.ask("POST", "/v1/runs/R/cancel", "")

	b.segment.ClearFaults()
	b.begin("order.workflow.yaml", `{"run":"R"}`)
	r = b.ended("R")
	require.Equal(t, "succeeded", r.Status)
	require.Len(t, b.segment.Events(emulator.Filter{}), 7)
}

// Neither runs nor what is remembered of them grows without bound.
func TestBounds(t *testing.T) {
	b := start(t)
	b.write("slow.workflow.yaml", "name: slow\nnodes: {a: {block: segment_track, with: {userId: u, event: e}}}")
	require.NoError(t, b.segment.Script(emulator.Fault{Delay: time.Minute, Times: -1}))
	var running []run
	for range workflows.MostRunning {
		running = append(running, b.begin("slow.workflow.yaml", ""))
	}
	status, text := b.ask("POST", "/v1/workflows/slow.workflow.yaml/runs", "")
	require.Equal(t, 503, status)
	require.Contains(t, text, `"code":"overloaded"`)
	for _, r := range running {
		b.ask("POST", "/v1/runs/"+r.Run+"/cancel", "")
		b.ended(r.Run)
	}
	for range workflows.MostRuns + 5 {
		b.ended(b.begin("order.workflow.yaml", `{"dryRun":true}`).Run)
	}
	_, text = b.ask("GET", "/v1/runs", "")
	require.Equal(t, workflows.MostRuns, strings.Count(text, `"run":`))
	status, _ = b.ask("GET", "/v1/runs/"+running[0].Run, "")
	require.Equal(t, 404, status)

	b.write("many.workflow.yaml", "name: many\nstart: {t: x}\nnodes: {a: {forEach: 2000, concurrency: 9, "+
		"block: segment_track, with: {userId: u, event: e}}, b: {with: {t: <start.t>}}}")
	big := b.begin("many.workflow.yaml", `{"dryRun":true,"input":{"t":"`+strings.Repeat("x", 5<<20)+`"}}`)
	r := b.ended(big.Run)
	require.Equal(t, "succeeded", r.Status)
	require.Empty(t, r.Nodes["b"].Output, "it is too large")
	res, err := http.Get(b.url + "/v1/runs/" + big.Run + "/stream")
	require.NoError(t, err)
	defer res.Body.Close()
	all, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Equal(t, 1000, bytes.Count(all, []byte("\nid: ")))
	require.Contains(t, string(all), "event: gap\ndata: {\"missed\":30")

	b.flows.Drain()
	status, text = b.ask("POST", "/v1/workflows/order.workflow.yaml/runs", "")
	require.Equal(t, 503, status)
	require.Contains(t, text, `"code":"closed"`)
}
