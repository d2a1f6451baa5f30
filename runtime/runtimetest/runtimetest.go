// Package runtimetest is the acceptance kit that the blocks of every vendor should pass.
//
//	func TestBlocks(t *testing.T) {
//		runtimetest.Run(t, runtimetest.Driver{
//			Register: blocks.Register,
//			Source: func(url string) any {
//				policy := retry.Policy{MaxRetries: 1, BaseDelay: time.Millisecond}
//				return tracking.Source{WriteKey: runtimetest.Secret, Endpoint: url, Retry: policy}
//			},
//		})
//	}
//
// It invokes each registered block over real HTTP, against a receiver of its own, and checks what
// hosts rely on:
//
//   - The examples of the manifest succeed, with the outputs that it gives.
//   - Each refused input of the manifest leads to the violations that it gives.
//   - Each parameter refuses a value of the wrong type, and each rule names its place.
//   - The same invocation id leads to the same message ids.
//   - A preview sends nothing, and canceling ends an invocation.
//   - A failing receiver leads to an error with a code.
//   - No goroutine is left, and the credential is nowhere in what comes out.
//
// A block must fill in its receipt: Endpoint, Attempts, and MessageIDs that derive from the
// invocation id. It must return these errors, each with the status: runtime.Rejected if the
// receiver answers 400 or redirects, runtime.Unauthorized if it answers 401, and a retryable
// runtime.Unavailable if it keeps answering 500.
package runtimetest

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/schemas"
)

// Secret is the credential that a Driver's source must use. The kit looks for it in everything that
// a runtime returns.
const Secret = "S3cr3tKeyOfTheAcceptanceKit00000"

// Driver says which blocks to test, and how to reach a receiver.
type Driver struct {
	// Register registers the blocks.
	Register func(*registry.Registry) error
	// Source returns a source that sends to the base URL with the credential [Secret]. It should
	// retry once, after a millisecond.
	Source func(url string) any
	// Accept answers a request as the vendor does if it accepts it. Nil means 200 and
	// {"success":true}.
	Accept http.HandlerFunc
}

// Run tests each block in subtests named by its id.
func Run(t *testing.T, d Driver) {
	t.Helper()
	if d.Accept == nil {
		d.Accept = func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"success":true}`) }
	}
	reg := registry.New()
	require.NoError(t, d.Register(reg))
	require.NotEmpty(t, reg.List(), "the driver registers no block")
	for _, b := range reg.List() {
		m := b.Manifest()
		t.Run(m.ID, func(t *testing.T) {
			k := &kit{Driver: d, registry: reg, manifest: m}
			t.Run("examples hold", k.examples)
			t.Run("refusals hold", k.refusals)
			t.Run("each parameter refuses the wrong type", k.wrongTypes)
			t.Run("each rule names its place", k.rules)
			t.Run("each rule is broken", k.broken)
			t.Run("invocation id", k.invocationID)
			t.Run("preview sends nothing", k.preview)
			t.Run("cancel", k.cancel)
			t.Run("failing receiver", k.failures)
			t.Run("many at once", k.concurrent)
		})
	}
}

type kit struct {
	Driver
	registry *registry.Registry
	manifest *schemas.Manifest
}

// bench is a receiver, a runtime that sends to it, and everything that the runtime returned.
type bench struct {
	*runtime.Runtime
	t        *testing.T
	requests atomic.Int64
	mu       sync.Mutex
	seen     strings.Builder
}

// start runs a receiver for the length of a test, and checks at its end that no goroutine and no
// secret is left.
func (k *kit) start(t *testing.T, answer http.HandlerFunc) *bench {
	before := goleak.IgnoreCurrent()
	b := &bench{t: t}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.requests.Add(1)
		answer(w, r)
	}))
	rt, err := runtime.New(k.registry, runtime.Source("test", k.Source(server.URL)))
	require.NoError(t, err)
	b.Runtime = rt
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		require.NoError(t, rt.Close(ctx))
		server.Close()
		goleak.VerifyNone(t, before)
		encode := base64.StdEncoding.EncodeToString
		for _, form := range []string{Secret, encode([]byte(Secret)), encode([]byte(Secret + ":"))} {
			require.NotContains(t, b.seen.String(), form)
		}
	})
	return b
}

func (b *bench) invoke(
	ctx context.Context, id string, input runtime.Input, options ...runtime.InvokeOption,
) (*runtime.Result, error) {
	res, err := b.Invoke(ctx, id, input, options...)
	if err == nil {
		b.saw(string(res.Output), res.Receipt)
		return res, nil
	}
	b.saw(err.Error(), err, fmt.Sprintf("%+v %#v", err, err))
	return nil, err
}

// saw keeps what the runtime returned, in the forms in which a log may show it.
func (b *bench) saw(things ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, thing := range things {
		text, err := json.Marshal(thing)
		require.NoError(b.t, err)
		_, _ = fmt.Fprintf(&b.seen, "%s %+v\n", text, thing)
	}
}

// good is the input of the first example.
func (k *kit) good() rawjson.Object { return k.manifest.Examples[0].Input }

// examples invokes each example twice, as JSON and as a Go map, because hosts use either. It
// compares the receipt with the requests that the receiver has counted.
func (k *kit) examples(t *testing.T) {
	b := k.start(t, k.Accept)
	for _, x := range k.manifest.Examples {
		var asMap map[string]any
		require.NoError(t, json.Unmarshal(x.Input.JSON(), &asMap))
		for _, input := range []runtime.Input{runtime.JSON(x.Input.JSON()), runtime.Map(asMap)} {
			requests := b.requests.Load()
			res, err := b.invoke(t.Context(), k.manifest.ID, input)
			require.NoError(t, err, "%s, as %T", x.Title, input)
			require.JSONEq(t, string(x.Output.JSON()), string(res.Output), x.Title)
			require.Equal(t, b.requests.Load()-requests, int64(res.Receipt.Attempts),
				"the receipt must count the attempts: %s", x.Title)
			require.NotZero(t, res.Receipt.Attempts, "the block must count its attempts in the receipt: %s", x.Title)
			require.NotEmpty(t, res.Receipt.Endpoint, "the block must name its endpoint in the receipt: %s", x.Title)
			require.NotEmpty(t, res.Receipt.InvocationID, x.Title)
		}
	}
}

// refusals compares codes and places, which programs match against, and leaves the words free.
func (k *kit) refusals(t *testing.T) {
	b := k.start(t, k.Accept)
	for _, x := range k.manifest.Refused {
		refused := b.refused(t, k.manifest.ID, x.Input)
		var got []schemas.Violation
		for _, v := range refused.Violations {
			require.NotEmpty(t, v.Message, x.Title)
			got = append(got, schemas.Violation{Path: v.Path, Code: v.Code})
		}
		require.ElementsMatch(t, x.Violations, got, x.Title)
	}
}

// refused invokes with an input that must not be sent.
func (b *bench) refused(t *testing.T, id string, input rawjson.Object) *runtime.Error {
	requests := b.requests.Load()
	_, err := b.invoke(t.Context(), id, runtime.JSON(input.JSON()))
	require.Error(t, err, "%s", input.JSON())
	var refused *runtime.Error
	require.ErrorAs(t, err, &refused)
	require.NotEmpty(t, refused.Violations, "%v", err)
	require.Equal(t, requests, b.requests.Load(), "a refused input must not be sent: %s", input.JSON())
	require.NotContains(t, err.Error(), "\n", "an error must be one line")
	return refused
}

// wrongTypes gives each parameter a value that a form or an agent may send by mistake.
func (k *kit) wrongTypes(t *testing.T) {
	b := k.start(t, k.Accept)
	for _, f := range k.manifest.Input.Fields() {
		wrong := json.RawMessage("true")
		if slices.Contains(f.Kinds, rawjson.BooleanKind) {
			wrong = json.RawMessage("[7]")
		}
		refused := b.refused(t, k.manifest.ID, k.good().Without().Set(f.Name, wrong))
		require.Contains(t, paths(refused), "/"+f.Name)
	}
	refused := b.refused(t, k.manifest.ID, k.good().Without().Set("noSuchParameter", json.RawMessage("1")))
	require.Equal(t, []string{"/noSuchParameter"}, paths(refused))
	require.Equal(t, "unknown_parameter", refused.Violations[0].Code)
}

// rules breaks each rule of the schema's allOf that requires parameters: it removes them and checks
// the path of the violation.
func (k *kit) rules(t *testing.T) {
	b := k.start(t, k.Accept)
	for _, rule := range rawjson.OpenObject(k.manifest.Input.JSON()).Array("allOf") {
		obj := rawjson.OpenObject(rule)
		require.NotEmpty(t, obj.Text("title"), "a rule must say in words what it demands: %s", rule)
		for _, name := range obj.Texts("required") {
			require.Contains(t, paths(b.refused(t, k.manifest.ID, k.good().Without(name))), "/"+name)
		}
		choices := obj.Array("anyOf")
		input := k.good()
		for _, choice := range choices {
			input = input.Without(rawjson.OpenObject(choice).Texts("required")...)
		}
		if choices != nil {
			require.Contains(t, paths(b.refused(t, k.manifest.ID, input)), "")
		}
	}
}

// broken requires a refused input in the manifest for each rule that the kit cannot break by
// itself: a rule with a condition, or one for the objects in a list.
func (k *kit) broken(t *testing.T) {
	schema := rawjson.OpenObject(k.manifest.Input.JSON())
	for _, rule := range schema.Array("allOf") {
		if _, conditional := rawjson.OpenObject(rule).Get("if"); conditional {
			whole := func(input rawjson.Object) []json.RawMessage { return []json.RawMessage{input.JSON()} }
			k.requireBroken(t, rule, whole)
		}
	}
	for _, p := range schema.Object("properties") {
		for _, rule := range rawjson.OpenObject(p.Value).Object("items").Array("allOf") {
			k.requireBroken(t, rule, func(input rawjson.Object) []json.RawMessage { return input.Array(p.Name) })
		}
	}
}

// requireBroken checks that one of the refused inputs has a part that breaks the rule.
func (k *kit) requireBroken(t *testing.T, rule json.RawMessage, parts func(rawjson.Object) []json.RawMessage) {
	t.Helper()
	alone, err := schemas.Compile("https://blocks.invalid/rule", rule)
	require.NoError(t, err)
	breaks := func(part json.RawMessage) bool { return len(alone.Validate(t.Context(), rawjson.OpenObject(part))) > 0 }
	require.True(t, slices.ContainsFunc(k.manifest.Refused, func(r schemas.Refusal) bool {
		return slices.ContainsFunc(parts(r.Input), breaks)
	}), "the manifest must list a refused input that breaks the rule: %s", rawjson.OpenObject(rule).Text("title"))
}

// invocationID invokes twice with one id, as a host does if it does not know whether the first try
// arrived. The receiver recognizes the repeat only by the message ids.
func (k *kit) invocationID(t *testing.T) {
	b := k.start(t, k.Accept)
	ids := func(options ...runtime.InvokeOption) []string {
		res, err := b.invoke(t.Context(), k.manifest.ID, runtime.JSON(k.good().JSON()), options...)
		require.NoError(t, err)
		require.NotEmpty(t, res.Receipt.MessageIDs, "the block must put the ids of its messages into the receipt")
		return res.Receipt.MessageIDs
	}
	first := ids(runtime.InvocationID("run-7/node-3/0"))
	require.Equal(t, first, ids(runtime.InvocationID("run-7/node-3/0")),
		"the same invocation must have the same message ids")
	require.NotEqual(t, first, ids(runtime.InvocationID("run-7/node-3/1")))
	require.NotEqual(t, first, ids())
}

// preview checks that a dry run sends its requests only through the client that it is given.
func (k *kit) preview(t *testing.T) {
	b := k.start(t, k.Accept)
	requests, receipt, err := b.Preview(t.Context(), k.manifest.ID, runtime.JSON(k.good().JSON()))
	require.NoError(t, err)
	require.NotEmpty(t, requests)
	require.Zero(t, b.requests.Load(), "a preview must send nothing")
	require.Zero(t, receipt.Accepted)
	b.saw(requests, receipt)
	require.NoError(t, b.Validate(t.Context(), k.manifest.ID, runtime.JSON(k.good().JSON())))
	require.Zero(t, b.requests.Load())
}

// cancel cancels the invocation while the receiver delays its answer. A block that ignores its
// context hangs here.
func (k *kit) cancel(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	b := k.start(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // the server notices a lost client only after the body
		cancel()
		<-r.Context().Done()
	})
	_, err := b.invoke(ctx, k.manifest.ID, runtime.JSON(k.good().JSON()))
	require.Equal(t, runtime.Canceled, runtime.ErrorOf(err).Code, "%v", err)
	require.ErrorIs(t, err, context.Canceled)
}

// failures makes the receiver refuse, with an answer that repeats the credential.
func (k *kit) failures(t *testing.T) {
	for status, want := range map[int]runtime.Code{
		http.StatusBadRequest:          runtime.Rejected,
		http.StatusUnauthorized:        runtime.Unauthorized,
		http.StatusTemporaryRedirect:   runtime.Rejected,
		http.StatusInternalServerError: runtime.Unavailable,
	} {
		b := k.start(t, func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			w.Header().Set("Location", "http://192.0.2.1/elsewhere")
			w.WriteHeader(status)
			key := r.Header.Get("Authorization")
			_, _ = fmt.Fprintf(w, `{"code":"no","message":"refused %s %s %s"}`, Secret, key, body)
		})
		_, err := b.invoke(t.Context(), k.manifest.ID, runtime.JSON(k.good().JSON()))
		var failed *runtime.Error
		require.ErrorAs(t, err, &failed)
		require.Equal(t, want, failed.Code, "%d: %v", status, err)
		require.Equal(t, status, failed.Status, "%v", err)
		require.Equal(t, want == runtime.Unavailable, failed.Retryable, "%v", err)
		require.NotNil(t, failed.Receipt)
		require.NotZero(t, failed.Receipt.Attempts)
		require.Zero(t, failed.Receipt.Accepted)
	}
}

// concurrent invokes many times at once. The race detector then finds what executors share.
func (k *kit) concurrent(t *testing.T) {
	b := k.start(t, k.Accept)
	input := runtime.JSON(k.good().JSON())
	var group errgroup.Group
	for range 32 {
		group.Go(func() error {
			_, err := b.invoke(context.Background(), k.manifest.ID, input)
			return err
		})
	}
	require.NoError(t, group.Wait())
}

func paths(e *runtime.Error) []string {
	var out []string
	for _, v := range e.Violations {
		out = append(out, v.Path)
	}
	return out
}
