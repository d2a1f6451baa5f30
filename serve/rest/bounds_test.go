package rest_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/serve/guard"
	"github.com/aacflow/segment-blocks/serve/rest"
)

// TestAnswersAreBounded: whatever a request holds, its answer is a short document, and comes soon.
func TestAnswersAreBounded(t *testing.T) {
	b := start(t)
	const large = 4 << 20
	long, header := strings.Repeat("userId", large/6), strings.Repeat("segment_", 3500)
	var many strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&many, `,"k%d":0`, i)
	}
	http.DefaultClient.Timeout = 20 * time.Second
	t.Cleanup(func() { http.DefaultClient.Timeout = 0 })
	const invoke = "/v1/blocks/segment_track/invoke"
	for name, c := range map[string]struct {
		path, body string
		headers    []string
	}{
		"members beside the input": {invoke, `{"input":{}` + many.String() + `}`, nil},
		"a long member":            {invoke, `{"input":{},"` + long + `":0}`, nil},
		"a long source":            {invoke, `{"input":{"event":"e","userId":"u"},"source":"` + long + `"}`, nil},
		"a source of escapes":      {invoke, `{"input":{},"source":"` + strings.Repeat(`\u0001`, large/6) + `"}`, nil},
		"a source that is a list":  {invoke, `{"input":{},"source":["` + long + `"]}`, nil},
		"a long name twice":        {invoke, `{"input":{},"` + long + `":0,"` + long + `":0}`, nil},
		"a fault in a long name":   {invoke, `{"input":{},"` + long + `":{"a":!}}`, nil},
		"a long input":             {invoke, `{"input":"` + long + `"}`, nil},
		"a long text":              {invoke, `"` + long + `"`, nil},
		"a long block":             {"/v1/blocks/" + header + "/invoke", `{"input":{}}`, nil},
		"a long path":              {"/" + header, `{}`, nil},
		"a long source, AACFlow": {
			invoke, `{"input":{},"source":"` + long + `"}`,
			[]string{"Accept", "application/vnd.aacflow.result+json"},
		},
		"a long Accept":           {invoke, `{"input":{}}`, []string{"Accept", strings.Repeat("a/b;q=0.1,", 2800)}},
		"a long Content-Type":     {invoke, `{"input":{}}`, []string{"Content-Type", header}},
		"a long Content-Encoding": {invoke, `{"input":{}}`, []string{"Content-Encoding", header}},
		"a long key":              {invoke, `{"input":{}}`, []string{"Idempotency-Key", header}},
		"a long request id":       {invoke, `{"input":{}}`, []string{"X-Request-Id", header}},
	} {
		t.Run(name, func(t *testing.T) {
			a := b.ask("POST", c.path, c.body, c.headers...)
			require.Less(t, len(a.text), 32<<10)
			require.NotContains(t, a.text, `"success":true`)
			for _, values := range a.Header {
				require.Less(t, len(strings.Join(values, "")), 1<<10)
			}
		})
	}
	for name, path := range map[string]string{
		"a long block": "/v1/blocks/" + header, "a long code": "/v1/errors/" + header,
		"a long filter": "/v1/blocks?" + header + "=1", "a long search": "/v1/blocks?search=" + header,
	} {
		t.Run(name, func(t *testing.T) {
			require.Less(t, len(b.ask("GET", path, "").text), 4<<10)
		})
	}
	require.Empty(t, b.segment.Requests())
}

// TestBodiesThatAreNotReadTwice: what is wrong with a body is the same whether the runtime is the
// first to read the input, which it is where there is no other member, or not.
func TestBodiesThatAreNotReadTwice(t *testing.T) {
	b := start(t)
	deep := strings.Repeat(`{"a":`, 200) + "1" + strings.Repeat("}", 200)
	for _, input := range []string{
		`{"event":"E","userId":"u"} `, `{}`, `{"event":1}`, `{"userId":"u","userId":"v"}`,
		`{"properties":{"a":1,"a":2}}`,
		`{"event":"E",}`, `{"event":"E"}}`, `{"event":"E"`, `{"event":"\x"}`, "{\"event\":\"\xff\"}", deep,
		`{"event":tru}`,
		`{"event":"E"},"input":{"event":"F"}`, `{"event":"E"},"inptu":{}`, `{"event":"E"} {}`, `{}} , {`,
	} {
		for _, verb := range []string{"invoke", "preview", "validate"} {
			for _, headers := range [][]string{{"Idempotency-Key", "k"}, {"Accept", "text/event-stream"}} {
				want := b.post("segment_track", verb, `{"input":`+input+`,"source":"prod"}`, headers...)
				got := b.post("segment_track", verb, "\n{ \"input\" : "+input+"}\t", headers...)
				require.Equal(t, want.StatusCode, got.StatusCode, "%s %s", verb, input)
				if want.StatusCode == http.StatusOK {
					continue
				}
				var problems [2]rest.Problem
				want.into(t, &problems[0])
				got.into(t, &problems[1])
				for i := range problems { // which are behind other spaces
					problems[i].Detail, problems[i].Message, problems[i].Instance, problems[i].Receipt = "", "", "", nil
					for j := range problems[i].Violations {
						problems[i].Violations[j].Message = ""
					}
				}
				require.Equal(t, problems[0], problems[1], "%s %s", verb, input)
			}
		}
	}
}

func TestViolationsOfTheBodyAreCounted(t *testing.T) {
	b := start(t)
	var body strings.Builder
	for i := range 250 {
		fmt.Fprintf(&body, `"k%d":0,`, i)
	}
	p := b.requireProblem(b.post("segment_track", "invoke", `{`+body.String()+`"input":1}`), 400, "invalid_request")
	require.Len(t, p.Violations, 100)
	require.Equal(t, 151, p.UnlistedViolations)
	require.Less(t, len(p.Detail), 500)
	require.True(t, strings.HasSuffix(p.Detail, "; and 246 more"), p.Detail)
}

// TestNoRoomForABody: a body that does not announce its size finds out while it is read.
func TestNoRoomForABody(t *testing.T) {
	b := start(t)
	g, err := guard.New(guard.Config{MaxBody: 1000, MaxBuffered: 1000})
	require.NoError(t, err)
	handler := rest.New(b.runtime, b.registry, rest.Config{})
	entered := make(chan struct{})
	held, leave := context.WithCancel(t.Context())
	defer leave()
	b.serve(g.Server(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hold" {
			close(entered)
			<-held.Done()
			return
		}
		handler.ServeHTTP(w, r)
	})))
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		if res, err := http.Post(b.url+"/hold", "", strings.NewReader(strings.Repeat("x", 990))); err == nil {
			res.Body.Close()
		}
	}()
	<-entered
	req, err := http.NewRequest(
		http.MethodPost,
		b.url+"/v1/blocks/segment_track/invoke",
		struct{ *strings.Reader }{strings.NewReader(order)},
	)
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	require.Zero(t, req.ContentLength)
	a := b.do(req)
	require.Equal(t, 503, a.StatusCode, a.text)
	require.Equal(t, "1", a.Header.Get("Retry-After"))
	require.Contains(t, a.text, `"code":"overloaded"`)
	require.Contains(t, a.text, `"violations":[]`)
	leave()
	<-answered
	require.Equal(t, 200, b.post("segment_track", "validate", order).StatusCode)
}
