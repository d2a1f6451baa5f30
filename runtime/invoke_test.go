package runtime_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/go-resty/resty/v2"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/schemas"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var good = runtime.Map{"title": "Hi"}

func TestUnknownBlockAndSource(t *testing.T) {
	rt := start(t, echo, runtime.Source("other", 42))
	_, err := rt.Invoke(t.Context(), "toy_pots", good)
	require.Equal(t, runtime.UnknownBlock, asError(t, err).Code)
	require.EqualError(t, err, `toy_pots is not a known block; did you mean "toy_post"?`)

	_, err = rt.Invoke(t.Context(), "toy_post@9", good)
	require.Equal(t, runtime.UnknownBlock, asError(t, err).Code)
	require.ErrorContains(t, err, "toy_post has no major version 9 here, only ")
	pinned, err := rt.Invoke(t.Context(), "toy_post@1", good)
	require.NoError(t, err)
	require.Equal(t, "toy_post", pinned.Receipt.Block)
	require.NotEmpty(t, pinned.Receipt.Version)

	_, err = rt.Invoke(t.Context(), "toy_post", good, runtime.ToSource("mian"))
	require.Equal(t, runtime.UnknownSource, asError(t, err).Code)
	require.EqualError(t, err, `toy_post names a source that is not configured: "mian"; did you mean "main"?`)

	_, err = rt.Invoke(t.Context(), "toy_post", good, runtime.ToSource("other"))
	require.EqualError(t, err, `toy_post needs a source of type runtime_test.board, and this one is a int: "other"`)
}

func TestDefaultSourceIsTheFirstThatFits(t *testing.T) {
	reg := registry.New()
	reg.MustRegister(runtime.Define(manifest(t), func(_ context.Context, _ *runtime.Call, b board) (any, error) {
		return map[string]any{"seen": map[string]string{"url": b.url}}, nil
	}))
	rt, err := runtime.New(reg, runtime.Source("number", 42), runtime.Source("a", board{url: "A"}),
		runtime.Source("b", board{url: "B"}))
	require.NoError(t, err)
	for source, want := range map[string]string{"": "A", "a": "A", "b": "B"} {
		res, err := rt.Invoke(t.Context(), "toy_post", good, runtime.ToSource(source))
		require.NoError(t, err)
		require.JSONEq(t, `{"seen":{"url":"`+want+`"}}`, string(res.Output))
	}

	none, err := runtime.New(reg)
	require.NoError(t, err)
	_, err = none.Invoke(t.Context(), "toy_post", good)
	require.EqualError(t, err, "toy_post has no source to use: none of type runtime_test.board is configured")
}

func TestBlockWithoutSource(t *testing.T) {
	reg := registry.New()
	reg.MustRegister(runtime.Define(manifest(t), func(_ context.Context, _ *runtime.Call,
		_ runtime.NoSource,
	) (any, error) {
		return map[string]any{"seen": map[string]any{}}, nil
	}))
	rt, err := runtime.New(reg, runtime.Source("main", board{}))
	require.NoError(t, err)
	_, err = rt.Invoke(t.Context(), "toy_post", good)
	require.NoError(t, err)
	res, err := rt.Invoke(t.Context(), "toy_post", good, runtime.ToSource("main"))
	require.NoError(t, err, "a host may name one source for all blocks")
	require.Empty(t, res.Receipt.Source)
	_, err = rt.Invoke(t.Context(), "toy_post", good, runtime.ToSource("mian"))
	require.Equal(t, runtime.UnknownSource, asError(t, err).Code)
}

type picky struct{}

func (picky) Validate() error { return errors.New("no url") }

type foreign struct{ m *schemas.Manifest }

func (f foreign) Manifest() *schemas.Manifest { return f.m }

func TestNewRefuses(t *testing.T) {
	_, err := runtime.New(registry.New(), runtime.Source("", 1))
	require.EqualError(t, err, "new runtime: a source must have a name")
	_, err = runtime.New(registry.New(), runtime.Source("a", 1), runtime.Source("a", 2))
	require.EqualError(t, err, `new runtime: a source with this name is configured already: "a"`)
	_, err = runtime.New(registry.New(), runtime.Source("a", picky{}))
	require.EqualError(t, err, `new runtime: source "a": no url`)

	reg := registry.New()
	rt, err := runtime.New(reg)
	require.NoError(t, err)
	reg.MustRegister(foreign{manifest(t)})
	_, err = runtime.New(reg)
	require.EqualError(t, err, `new runtime: block "toy_post" cannot be invoked: it was not made by runtime.Define`)
	_, err = rt.Invoke(t.Context(), "toy_post", good)
	require.Equal(t, runtime.Internal, asError(t, err).Code)
}

func TestContexts(t *testing.T) {
	ran := false
	rt := start(t, func(ctx context.Context, _ *runtime.Call, _ board) (any, error) {
		ran = true
		<-ctx.Done()
		return nil, fmt.Errorf("send: %w", ctx.Err())
	})
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := rt.Invoke(canceled, "toy_post", good)
	require.Equal(t, runtime.Canceled, asError(t, err).Code)
	require.EqualError(t, err, "toy_post was canceled, nothing was sent")
	require.False(t, ran)

	_, err = rt.Invoke(t.Context(), "toy_post", good, runtime.Deadline(time.Now().Add(10*time.Millisecond)))
	require.True(t, ran)
	require.Equal(t, runtime.DeadlineExceeded, asError(t, err).Code)
	require.True(t, asError(t, err).Retryable)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestClose(t *testing.T) {
	started, release := make(chan struct{}), make(chan struct{})
	rt := start(t, func(context.Context, *runtime.Call, board) (any, error) {
		close(started)
		<-release
		return map[string]any{"seen": map[string]any{}}, nil
	})
	result := make(chan error)
	go func() {
		_, err := rt.Invoke(context.Background(), "toy_post", good)
		result <- err
	}()
	<-started
	soon, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, rt.Close(soon), context.DeadlineExceeded)

	_, err := rt.Invoke(t.Context(), "toy_post", good)
	require.Equal(t, runtime.Closed, asError(t, err).Code)
	_, _, err = rt.Preview(t.Context(), "toy_post", good)
	require.Equal(t, runtime.Closed, asError(t, err).Code)

	close(release)
	require.NoError(t, <-result, "what was under way is not cut off")
	require.NoError(t, rt.Close(soon), "nothing is running any more")
}

func TestSharedClient(t *testing.T) {
	var requests []string
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		requests = append(requests, r.Method+" "+r.URL.Path+" "+string(body))
		_, _ = io.WriteString(w, `{"ok":true}`)
	})
	rt := start(t, post, runtime.Source("real", board{url: url, token: "hush-hush"}))
	res, err := rt.Invoke(t.Context(), "toy_post", runtime.JSON(`{"title":"Hi","token":"s3cret-in"}`),
		runtime.ToSource("real"))
	require.NoError(t, err)
	require.Equal(t, `{"seen":{"ok":true}}`, string(res.Output))
	require.Equal(t, "real", res.Receipt.Source)
	require.Equal(t, []string{`POST /notes {"title":"Hi","token":"s3cret-in"}`}, requests)

	sent, _, err := rt.Preview(t.Context(), "toy_post", runtime.JSON(`{"title":"Hi","token":"s3cret-in"}`),
		runtime.ToSource("real"))
	require.NoError(t, err)
	require.Len(t, requests, 1, "a preview sends nothing")
	require.Len(t, sent, 1)
	require.Equal(t, url+"/notes?token=[redacted]", sent[0].URL)
	require.Equal(t, []string{"Bearer [redacted]"}, sent[0].Header["Authorization"])
	require.Equal(t, `{"title":"Hi","token":"[redacted]"}`, sent[0].Body)
	require.Equal(t, len(`{"title":"Hi","token":"s3cret-in"}`), sent[0].Bytes)
}

func TestResponsesAreBounded(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(bytes.Repeat([]byte("x"), 2<<20))
	})
	rt := start(t, post, runtime.Source("real", board{url: url, token: "hush-hush"}))
	_, err := rt.Invoke(t.Context(), "toy_post", good, runtime.ToSource("real"))
	require.ErrorIs(t, err, resty.ErrResponseBodyTooLarge)
}

func TestSharedValuesBelongToTheRuntime(t *testing.T) {
	type counter struct{ n *int }
	count := func(_ context.Context, call *runtime.Call, _ board) (any, error) {
		c := runtime.Once(call, func(*resty.Client) counter { return counter{new(int)} })
		*c.n++
		return map[string]any{"seen": map[string]any{"n": *c.n}}, nil
	}
	rt := start(t, count)
	for _, want := range []string{"1", "2"} {
		res, err := rt.Invoke(t.Context(), "toy_post", good)
		require.NoError(t, err)
		require.Equal(t, `{"seen":{"n":`+want+`}}`, string(res.Output))
		_, _, err = rt.Preview(t.Context(), "toy_post", good) // has its own
		require.NoError(t, err)
	}
}

type countingTransport struct{ calls, closed int }

func (c *countingTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	c.calls++
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(bytes.NewReader([]byte(`{}`))), Request: r}, nil
}

func (c *countingTransport) CloseIdleConnections() { c.closed++ }

func TestOwnTransport(t *testing.T) {
	transport := &countingTransport{}
	rt := start(t, post, runtime.Transport(transport),
		runtime.Source("real", board{url: "http://127.0.0.1:1", token: "hush-hush"}))
	_, err := rt.Invoke(t.Context(), "toy_post", good, runtime.ToSource("real"))
	require.NoError(t, err)
	require.Equal(t, 1, transport.calls)
	require.NoError(t, rt.Close(t.Context()))
	require.Zero(t, transport.closed, "the host's transport is the host's to close")
}

func TestPointerToASource(t *testing.T) {
	rt := start(t, echo, runtime.Source("pointer", &board{}))
	_, err := rt.Invoke(t.Context(), "toy_post", good, runtime.ToSource("pointer"))
	require.NoError(t, err)
}

// jsonschema would reckon with all digits of such numbers, for minutes, or panic.
func TestEnormousExponent(t *testing.T) {
	whole := strings.NewReplacer("times: {type: number", "times: {type: integer",
		"          extra: {type: object}", "          sizes: {items: {type: integer}}").Replace(toyManifest)
	manifests, err := schemas.Load(fstest.MapFS{"toy.yaml": {Data: []byte(whole)}})
	require.NoError(t, err)
	reg := registry.New()
	reg.MustRegister(runtime.Define(manifests[0], echo))
	rt, err := runtime.New(reg, runtime.Source("main", board{}))
	require.NoError(t, err)
	for _, input := range []string{
		`{"title":"x","times":1e10000000}`, `{"title":"x","times":1e99999999999999999999}`,
		`{"title":"x","lines":[{"text":"x","sizes":[` + strings.Repeat("1E+999999,", 100_000) + `1]}]}`,
	} {
		res, err := rt.Invoke(t.Context(), "toy_post", runtime.JSON(input))
		require.NoError(t, err)
		require.Equal(t, `{"seen":`+input+`}`, string(res.Output))
	}
	_, err = rt.Invoke(t.Context(), "toy_post", runtime.JSON(`{"title":"x","times":1e-999999}`))
	require.ErrorContains(t, err, "/times must be an integer: 1e-999999")
}

func TestObservers(t *testing.T) {
	type key struct{}
	var told []string
	observer := func(name string) runtime.Observer {
		return func(ctx context.Context, block string) (context.Context, func(*runtime.Receipt, error)) {
			told = append(told, name+" "+block)
			return context.WithValue(ctx, key{}, name), func(r *runtime.Receipt, err error) {
				told = append(told, fmt.Sprintf("%s %v %v", name, r.InvocationID, err))
			}
		}
	}
	rt := start(t, func(ctx context.Context, call *runtime.Call, _ board) (any, error) {
		told = append(told, fmt.Sprint("run in ", ctx.Value(key{})))
		return echo(ctx, call, board{})
	}, runtime.Observe(observer("A")), runtime.Observe(observer("B")))
	_, err := rt.Invoke(t.Context(), "toy_post", good, runtime.InvocationID("7"))
	require.NoError(t, err)
	_, err = rt.Invoke(t.Context(), "toy_post", runtime.Map{}, runtime.InvocationID("8"))
	require.Error(t, err)
	require.NoError(t, rt.Validate(t.Context(), "toy_post", good), "not observed")
	refused := "toy_post refused its input, nothing was sent: /title must be given"
	require.Equal(t, []string{
		"A toy_post", "B toy_post", "run in B", "B 7 <nil>", "A 7 <nil>",
		"A toy_post", "B toy_post", "B 8 " + refused, "A 8 " + refused, "run in <nil>",
	}, told)
}

// What goes to an emulator says so in every receipt: that of a success, of a refusal and of a
// preview.
func TestEmulatedSource(t *testing.T) {
	rt := start(t, echo, runtime.EmulatedSource("emulator", board{}))
	emulated := func(r *runtime.Receipt) {
		t.Helper()
		require.True(t, r.Emulated)
		require.Len(t, r.Warnings, 1)
		require.Equal(t, "emulated", r.Warnings[0].Code)
		raw, err := json.Marshal(r)
		require.NoError(t, err)
		require.Contains(t, string(raw), `"emulated":true`)
	}
	res, err := rt.Invoke(t.Context(), "toy_post", runtime.Map{"title": "Hi"}, runtime.ToSource("emulator"))
	require.NoError(t, err)
	emulated(res.Receipt)
	_, err = rt.Invoke(t.Context(), "toy_post", runtime.Map{"title": ""}, runtime.ToSource("emulator"))
	emulated(asError(t, err).Receipt)
	_, receipt, err := rt.Preview(t.Context(), "toy_post", runtime.Map{"title": "Hi"}, runtime.ToSource("emulator"))
	require.NoError(t, err)
	emulated(receipt)

	res, err = rt.Invoke(t.Context(), "toy_post", runtime.Map{"title": "Hi"})
	require.NoError(t, err)
	require.Empty(t, res.Receipt.Warnings, "the other source is real")
	raw, err := json.Marshal(res.Receipt)
	require.NoError(t, err)
	require.NotContains(t, string(raw), "emulated")
}
