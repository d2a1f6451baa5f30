package runtime_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/schemas"
)

// The blocks here belong to no vendor: the runtime must not need one.
const toyManifest = `id: toy_post
name: Post
summary: Post a note
description: Posts a note to a board.
whenToUse: For notes.
version: 1.0.0
category: toys
tags: [notes]
input:
  type: object
  additionalProperties: false
  properties:
    token: {type: string, writeOnly: true, format: password, description: Token., examples: [t],
      x-filled-by: user-only, x-aacflow-type: string}
    title: {type: string, minLength: 1, description: Title., examples: [Hi],
      x-filled-by: user-or-llm, x-aacflow-type: string}
    body: {type: object, description: Body., examples: [{a: 1}], x-filled-by: user-or-llm, x-aacflow-type: json}
    when: {type: string, format: date-time, description: When., examples: ['2026-01-31T09:30:00Z'],
      x-filled-by: user-or-llm, x-aacflow-type: string}
    times: {type: number, description: How often., examples: [1], x-filled-by: user-or-llm, x-aacflow-type: number}
    lines:
      type: array
      description: Lines.
      examples: [[{text: a}]]
      x-filled-by: user-or-llm
      x-aacflow-type: json
      items:
        type: object
        properties:
          text: {type: string, minLength: 1}
          at: {type: string, format: date-time}
          extra: {type: object}
        required: [text]
  allOf:
    - {required: [title], title: A note needs a title}
output:
  type: object
  additionalProperties: false
  required: [seen]
  properties:
    seen: {type: object, description: What the executor saw., x-aacflow-type: json}
examples:
  - {title: A note, input: {title: Hi}, output: {seen: {title: Hi}}}
`

// board is the toy's type of source.
type board struct {
	url   string
	token string
}

func (b board) Secrets() []string { return []string{b.token} }

func manifest(t testing.TB) *schemas.Manifest {
	manifests, err := schemas.Load(fstest.MapFS{"toy.yaml": {Data: []byte(toyManifest)}})
	require.NoError(t, err)
	return manifests[0]
}

type execute = func(context.Context, *runtime.Call, board) (any, error)

// echo returns the input that it is given, without the token.
func echo(_ context.Context, call *runtime.Call, _ board) (any, error) {
	return map[string]any{"seen": call.Input.Without("token")}, nil
}

// post sends the title to the board.
func post(ctx context.Context, call *runtime.Call, b board) (any, error) {
	call.Receipt.Endpoint = b.url
	res, err := call.HTTP.R().SetContext(ctx).SetHeader("Authorization", "Bearer "+b.token).
		SetBody([]byte(call.Input.JSON())).Post(b.url + "/notes?token=" + b.token)
	call.Receipt.Attempts++
	if err != nil {
		return nil, err
	}
	return map[string]any{"seen": json.RawMessage(res.Body())}, nil
}

func start(t testing.TB, run execute, options ...runtime.Option) *runtime.Runtime {
	reg := registry.New()
	reg.MustRegister(runtime.Define(manifest(t), run))
	main := runtime.Source("main", board{token: "hush-hush"})
	rt, err := runtime.New(reg, append([]runtime.Option{main}, options...)...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, rt.Close(context.Background())) })
	return rt
}

func serve(t testing.TB, handler http.HandlerFunc) string {
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

func asError(t testing.TB, err error) *runtime.Error {
	require.Error(t, err)
	var e *runtime.Error
	require.ErrorAs(t, err, &e)
	return e
}
