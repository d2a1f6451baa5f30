package runtime_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	goruntime "runtime"
	"strings"
	"sync/atomic"
	"testing"
	"weak"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/runtime"
)

// explosive is a value that panics when it is encoded.
type explosive struct{}

func (explosive) MarshalJSON() ([]byte, error) { panic("boom hush-hush") }

func TestNoPanicLeaves(t *testing.T) {
	var log bytes.Buffer
	rt := start(t, func(_ context.Context, call *runtime.Call, _ board) (any, error) {
		switch call.Input.Text("title") {
		case "executor":
			panic("boom hush-hush")
		case "output":
			return explosive{}, nil
		}
		return echo(t.Context(), call, board{})
	}, runtime.Logger(slog.New(slog.NewJSONHandler(&log, nil))))
	for name, input := range map[string]runtime.Map{
		"executor": {"title": "executor"}, "output": {"title": "output"}, "input": {"title": "x", "body": explosive{}},
	} {
		t.Run(name, func(t *testing.T) {
			for way, call := range map[string]func() error{
				"invoke":   func() error { _, err := rt.Invoke(t.Context(), "toy_post", input); return err },
				"preview":  func() error { _, _, err := rt.Preview(t.Context(), "toy_post", input); return err },
				"validate": func() error { return rt.Validate(t.Context(), "toy_post", input) },
			} {
				log.Reset()
				e := asError(t, call())
				require.Equal(t, runtime.Internal, e.Code, way)
				require.NotNil(t, e.Receipt)
				require.Contains(t, log.String(), "trust_test.go:", way, "the stack is in the log")
				require.NotContains(t, log.String()+e.Error(), "hush-hush", way)
			}
		})
	}
	_, err := rt.Invoke(t.Context(), "toy_post", runtime.Map{"title": "x"})
	require.NoError(t, err, "the runtime goes on")
}

// A list that an executor is done with is not held in memory while it sends.
func TestListsAreLetGo(t *testing.T) {
	rt := start(t, func(ctx context.Context, call *runtime.Call, b board) (any, error) {
		list := call.Objects("lines")
		require.Len(t, list, 2)
		held := weak.Make(&list[0])
		goruntime.GC()
		require.Nil(t, held.Value())
		again := call.Objects("lines")
		require.Len(t, again, 2)
		require.Equal(t, "b", again[1].Text("text"))
		return echo(ctx, call, b)
	})
	_, err := rt.Invoke(t.Context(), "toy_post", runtime.JSON(`{"title":"x","lines":[{"text":"a"},{"text":"b"}]}`))
	require.NoError(t, err)
}

func TestFailuresAreLogged(t *testing.T) {
	var log bytes.Buffer
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
	rt := start(t, func(_ context.Context, call *runtime.Call, b board) (any, error) {
		switch call.Input.Text("title") {
		case "refused":
			call.Receipt.MessageIDs, call.Receipt.Attempts = []string{"m-1", "m-2"}, 3
			return nil, &runtime.Error{Code: runtime.Unauthorized, Message: "was refused with " + b.token, Status: 403}
		case "broken":
			return map[string]any{"seen": 1}, nil
		}
		return map[string]any{"seen": map[string]any{}}, nil
	}, runtime.Source("other", board{url: url, token: "other-secret"}),
		runtime.Logger(slog.New(slog.NewJSONHandler(&log, nil))))

	_, err := rt.Invoke(t.Context(), "toy_post", runtime.Map{"title": "fine"})
	require.NoError(t, err)
	require.Empty(t, log.String())

	_, err = rt.Invoke(t.Context(), "toy_post", runtime.Map{"title": "refused"}, runtime.ToSource("other"),
		runtime.InvocationID("run-1"))
	require.Error(t, err)
	line := map[string]any{}
	require.NoError(t, json.Unmarshal(log.Bytes(), &line), "one line: %s", log.String())
	require.Contains(t, line, "durationMs")
	delete(line, "durationMs")
	delete(line, "time")
	require.Equal(t, map[string]any{
		"level": "WARN", "msg": "invocation failed", "block": "toy_post", "source": "other", "code": "unauthorized",
		"status":   403.0,
		"attempts": 3.0, "invocationId": "run-1", "messageId": "m-1", "error": "was refused with [redacted]",
	}, line)

	log.Reset()
	_, err = rt.Invoke(t.Context(), "toy_post", runtime.Map{"title": "broken"})
	require.Error(t, err)
	require.Contains(t, log.String(), `"level":"ERROR"`)
	require.Contains(t, log.String(), `"code":"invalid_output"`)
}

// An executor may send a value of its input as it is, and a receiver may answer before it has read
// that. The transport then reads on after Invoke has returned, and must not meet another
// invocation's bytes.
func TestNothingOfAnInputIsReused(t *testing.T) {
	const size = 16 << 20
	body, read := make(chan []byte, 1), make(chan struct{})
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		w.WriteHeader(http.StatusAccepted)
		w.(http.Flusher).Flush()
		<-read
		all, _ := io.ReadAll(r.Body)
		body <- all
	})
	var answer io.Closer
	rt := start(t, func(ctx context.Context, call *runtime.Call, b board) (any, error) {
		raw, _ := call.Input.Get("body")
		if b.url != "" {
			req := call.HTTP.R().SetContext(ctx).SetDoNotParseResponse(true).SetBody(bytes.NewReader(raw))
			res, err := req.Post(b.url)
			if err != nil {
				return nil, err
			}
			answer = res.RawBody()
		}
		return map[string]any{"seen": map[string]any{}}, nil
	}, runtime.Source("early", board{url: url}))
	large := func(letter string) runtime.Map {
		return runtime.Map{"title": "x", "body": map[string]any{"text": strings.Repeat(letter, size)}}
	}
	_, err := rt.Invoke(context.Background(), "toy_post", large("A"), runtime.ToSource("early"))
	require.NoError(t, err)
	for range 4 {
		_, err := rt.Invoke(t.Context(), "toy_post", large("B"), runtime.ToSource("main"))
		require.NoError(t, err)
	}
	close(read)
	got := <-body
	require.Zero(t, bytes.Count(got, []byte("B")))
	require.NoError(t, answer.Close())
}

// counted is a context that ends when it has been asked a number of times.
type counted struct {
	context.Context
	left atomic.Int64
}

func (c *counted) Err() error {
	if c.left.Add(-1) < 0 {
		return context.Canceled
	}
	return nil
}

func TestValidationEndsWithItsContext(t *testing.T) {
	rt := start(t, echo)
	for name, line := range map[string]string{
		"faulty": `{"text":1}`, "blank": `{"text":""}`,
		"unresolved": `{"text":"{{A}}"}`, "valid": `{"text":"x","at":""}`,
	} {
		t.Run(name, func(t *testing.T) {
			input := runtime.JSON(`{"title":"x","lines":[` + strings.Repeat(line+",", 50_000) + line + `]}`)
			ctx := &counted{Context: t.Context()}
			ctx.left.Store(20)
			_, err := rt.Invoke(ctx, "toy_post", input)
			require.Equal(t, runtime.Canceled, asError(t, err).Code)
			require.Greater(t, ctx.left.Load(), int64(-20), "nothing goes on after the context has ended")
		})
	}
}

func TestViolationsAreBounded(t *testing.T) {
	rt := start(t, echo)
	e := asError(t, rt.Validate(t.Context(), "toy_post",
		runtime.JSON(`{"title":"x","lines":[`+strings.Repeat(`{},`, 500)+`{}]}`)))
	require.Len(t, e.Violations, 100)
	require.Equal(t, 401, e.UnlistedViolations)
	require.Equal(t, "/lines/99/text", e.Violations[99].Path)
	require.Contains(t, e.Message, "and 496 more")
	raw, err := json.Marshal(e)
	require.NoError(t, err)
	obj, err := rawjson.ParseObject(raw, rawjson.Limits{})
	require.NoError(t, err)
	unlisted, _ := obj.Get("unlistedViolations")
	require.Equal(t, "401", string(unlisted))

	e = asError(t, rt.Validate(t.Context(), "toy_post", runtime.Map{"title": "x", strings.Repeat("n", 1<<20): 1}))
	require.Less(t, len(e.Violations[0].Path), 1000)
}
