package runtime_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/runtime/runtimetest"
	"github.com/aacflow/segment-blocks/schemas"
)

const noteManifest = `id: toy_note
name: Note
summary: Post a note
description: Posts a note to a board.
whenToUse: For notes.
version: 1.0.0
category: toys
input:
  type: object
  additionalProperties: false
  properties:
    title: {type: string, minLength: 1, description: Title., examples: [Hi],
      x-filled-by: user-or-llm, x-aacflow-type: string}
    priority: {type: number, description: Priority., examples: [1], x-filled-by: user-or-llm, x-aacflow-type: number}
    extra: {type: object, description: Anything else., examples: [{a: 1}],
      x-filled-by: user-or-llm, x-aacflow-type: json}
  allOf:
    - {required: [title], title: A note needs a title}
output:
  type: object
  additionalProperties: false
  required: [title, priority]
  properties:
    title: {type: string, description: The title., x-aacflow-type: string}
    priority: {type: number, description: The priority., x-aacflow-type: number}
    extra: {type: [object, 'null'], description: What else was given., x-aacflow-type: json}
examples:
  - title: A note
    input: {title: Hi, priority: 3, extra: {n: 12345678901234567890, d: 1.10}}
    output: {title: Hi, priority: 3, extra: {n: 12345678901234567890, d: 1.10}}
  - title: The least
    input: {title: Hi}
    output: {title: Hi, priority: 1, extra: null}
refused:
  - title: No title
    input: {priority: 2}
    violations: [{path: /title, code: missing_parameter}]
`

type note struct {
	Title    string         `json:"title"`
	Priority int            `json:"priority"`
	Extra    map[string]any `json:"extra"`
}

func noteBlock(t testing.TB) *runtime.Block {
	manifests, err := schemas.Load(fstest.MapFS{"note.yaml": {Data: []byte(noteManifest)}})
	require.NoError(t, err)
	return runtime.DefineTyped(manifests[0], postNote)
}

// postNote is a whole executor: it sends one request and says of each answer what it means.
func postNote(ctx context.Context, call *runtime.Call, n note, b board) (*note, error) {
	n.Priority = cmp.Or(n.Priority, 1)
	call.Receipt.Endpoint, call.Receipt.MessageIDs = b.url, []string{"note-" + call.InvocationID}
	call.Receipt.Requests, call.Receipt.Attempts = 1, 1
	res, err := call.HTTP.R().SetContext(ctx).SetAuthToken(b.token).SetBody(n).Post(b.url + "/notes")
	if err != nil {
		return nil, err
	}
	failed := &runtime.Error{
		Message: fmt.Sprintf("failed: the board answered %d", res.StatusCode()),
		Status:  res.StatusCode(),
	}
	switch {
	case res.IsSuccess():
		call.Receipt.Accepted = 1
		return &n, nil
	case res.StatusCode() == http.StatusUnauthorized:
		failed.Code = runtime.Unauthorized
	case res.StatusCode() >= http.StatusInternalServerError:
		failed.Code, failed.Retryable = runtime.Unavailable, true
	default:
		failed.Code = runtime.Rejected
	}
	return nil, failed
}

func TestTypedBlockIsAccepted(t *testing.T) {
	runtimetest.Run(t, runtimetest.Driver{
		Register: func(reg *registry.Registry) error { return reg.Register(noteBlock(t)) },
		Source:   func(url string) any { return board{url: url, token: runtimetest.Secret} },
	})
}

func TestTypedBlockKeepsDigits(t *testing.T) {
	reg := registry.New()
	reg.MustRegister(noteBlock(t))
	url := serve(t, func(http.ResponseWriter, *http.Request) {})
	rt, err := runtime.New(reg, runtime.Source("main", board{url: url}))
	require.NoError(t, err)
	input := `{"title":"Hi","priority":2,"extra":{"d":1.10,"n":12345678901234567890}}`
	res, err := rt.Invoke(t.Context(), "toy_note", runtime.JSON(input))
	require.NoError(t, err)
	require.Equal(t, input, string(res.Output))
	require.NoError(t, rt.Close(t.Context()))
}

// A schema may allow what a Go type does not hold. That is a fault in the block.
func TestTypedBlockWhoseTypeIsTooNarrow(t *testing.T) {
	reg := registry.New()
	reg.MustRegister(noteBlock(t))
	rt, err := runtime.New(reg, runtime.Source("main", board{}))
	require.NoError(t, err)
	_, err = rt.Invoke(t.Context(), "toy_note", runtime.JSON(`{"title":"Hi","priority":1.5}`))
	e := asError(t, err)
	require.Equal(t, runtime.Internal, e.Code)
	var cause *json.UnmarshalTypeError
	require.ErrorAs(t, err, &cause)
	require.Contains(t, e.Message, "cannot decode an input that its schema allows: ")
}
