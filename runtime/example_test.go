package runtime_test

import (
	"context"
	"fmt"
	"testing/fstest"

	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/schemas"
)

const greeting = `id: hello_greet
name: Greet
summary: Greet somebody
description: Says hello.
whenToUse: When somebody arrives.
version: 1.0.0
category: examples
input:
  type: object
  additionalProperties: false
  properties:
    name: {type: string, description: Whom to greet., examples: [Ada], x-filled-by: user-or-llm, x-aacflow-type: string}
  allOf:
    - {required: [name], title: Somebody must be named}
output:
  type: object
  required: [text]
  properties:
    text: {type: string, description: The greeting., x-aacflow-type: string}
examples:
  - {title: A friend, input: {name: Ada}, output: {text: Hello Ada}}
`

// A block of your own is a manifest and a function. This one sends nothing, so it needs no source.
func ExampleDefine() {
	manifests, err := schemas.Load(fstest.MapFS{"greet.yaml": {Data: []byte(greeting)}}) // or an embed.FS
	if err != nil {
		fmt.Println(err)
		return
	}
	greet := runtime.Define(manifests[0], func(_ context.Context, call *runtime.Call, _ runtime.NoSource) (any, error) {
		return map[string]string{"text": "Hello " + call.Input.Text("name")}, nil
	})
	reg := registry.New()
	reg.MustRegister(greet)

	rt, err := runtime.New(reg)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer rt.Close(context.Background())

	res, err := rt.Invoke(context.Background(), "hello_greet", runtime.Map{"name": "Ada"})
	fmt.Println(string(res.Output), err)
	_, err = rt.Invoke(context.Background(), "hello_greet", runtime.Map{"nmae": "Ada"})
	for _, v := range runtime.ErrorOf(err).Violations {
		fmt.Println(v.Path, v.Message)
	}
	// Output:
	// {"text":"Hello Ada"} <nil>
	// /name must be given
	// /nmae is not a known parameter; did you mean "name"?
}

// DefineTyped spares an executor the reading and writing of JSON.
func ExampleDefineTyped() {
	type person struct {
		Name string `json:"name"`
	}
	type greeted struct {
		Text string `json:"text"`
	}
	manifests, err := schemas.Load(fstest.MapFS{"greet.yaml": {Data: []byte(greeting)}})
	if err != nil {
		fmt.Println(err)
		return
	}
	greet := runtime.DefineTyped(manifests[0],
		func(_ context.Context, _ *runtime.Call, who person, _ runtime.NoSource) (greeted, error) {
			return greeted{Text: "Hello " + who.Name}, nil
		})
	reg := registry.New()
	reg.MustRegister(greet)
	rt, err := runtime.New(reg)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer rt.Close(context.Background())

	res, err := rt.Invoke(context.Background(), "hello_greet", runtime.Map{"name": "Ada"})
	fmt.Println(string(res.Output), err)
	// Output: {"text":"Hello Ada"} <nil>
}
