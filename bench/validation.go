package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v5"
	"github.com/tidwall/gjson"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/schemas"
	"github.com/aacflow/segment-blocks/schemas/segment"
)

// validation measures what it costs to accept a track event of 1 KB.
func validation(settings) []group {
	const v5 = "jsonschema/v5 on the same event, decoded beforehand"
	const scan = "gjson.Valid, which checks nothing but syntax, on the same bytes"
	return []group{
		{
			name: "validation/typed", rounds: 60,
			contenders: []contender{ours("typed", typedSchema), theirs("typed by v5", typedSchema)},
			lines: []line{{
				name: "validation/typed", goal: atMost(1.0/10, fraction), unit: "ns", ours: "typed",
				theirs:  []string{"typed by v5"},
				against: v5 + ", schema that types the properties too",
			}},
		},
		{
			name: "validation/json", rounds: 60,
			contenders: []contender{
				ours("json", blockSchema),
				{name: "json by gjson", open: func(context.Context, *bench) (runner, error) {
					event := orderEvent()
					return timed(func() bool { return gjson.ValidBytes(event) })
				}},
			},
			lines: []line{{
				name: "validation/json", goal: atMost(1.5, times), unit: "ns", ours: "json", theirs: []string{"json by gjson"},
				against: scan,
			}},
		},
		{
			name: "validation/allocations", rounds: 1,
			contenders: []contender{allocations("json allocations", blockSchema)},
			lines: []line{
				{
					name: "validation/json/allocations", goal: atMost(0, count), unit: "allocations", ours: "json allocations",
					against: "testing.AllocsPerRun",
				},
			},
		},
	}
}

// accept returns a function that judges the event by a schema.
func accept(schema func() (*schemas.Schema, error)) (func() bool, error) {
	s, err := schema()
	event := orderEvent()
	return func() bool { return s.AcceptsJSON(event, rawjson.Limits{}) }, err
}

func ours(name string, schema func() (*schemas.Schema, error)) contender {
	return contender{name: name, open: func(context.Context, *bench) (runner, error) {
		f, err := accept(schema)
		if err != nil {
			return runner{}, err
		}
		return timed(f)
	}}
}

func theirs(name string, schema func() (*schemas.Schema, error)) contender {
	return contender{name: name, open: func(context.Context, *bench) (runner, error) {
		s, err := schema()
		if err != nil {
			return runner{}, err
		}
		compiler := jsonschema.NewCompiler()
		compiler.Draft, compiler.AssertFormat = jsonschema.Draft2020, true
		if err := compiler.AddResource("schema.json", bytes.NewReader(s.JSON())); err != nil {
			return runner{}, err
		}
		compiled, err := compiler.Compile("schema.json")
		if err != nil {
			return runner{}, err
		}
		m, err := decoded(orderEvent())
		if err != nil {
			return runner{}, err
		}
		return timed(func() bool { return compiled.Validate(m) == nil })
	}}
}

func allocations(name string, schema func() (*schemas.Schema, error)) contender {
	return contender{name: name, open: func(context.Context, *bench) (runner, error) {
		f, err := accept(schema)
		if err != nil {
			return runner{}, err
		}
		return runner{run: func(context.Context) (sample, error) {
			return sample{value: testing.AllocsPerRun(1000, func() { f() })}, nil
		}}, nil
	}}
}

// timed makes a runner of a function: it calls it for some milliseconds, and measures nanoseconds a
// call.
func timed(f func() bool) (runner, error) {
	const slice = 4 * time.Millisecond
	if !f() {
		return runner{}, errors.New("the event is not accepted")
	}
	calls := 0
	for start := time.Now(); time.Since(start) < slice; calls++ {
		f()
	}
	return runner{run: func(context.Context) (sample, error) {
		start := time.Now()
		for range calls {
			if !f() {
				return sample{}, errors.New("the event is not accepted")
			}
		}
		return sample{value: float64(time.Since(start).Nanoseconds()) / float64(calls)}, nil
	}}, nil
}

// blockSchema is what the input of segment_track must keep.
func blockSchema() (*schemas.Schema, error) {
	manifests, err := schemas.Load(segment.Manifests())
	if err != nil {
		return nil, err
	}
	for _, m := range manifests {
		if m.ID == "segment_track" {
			return m.Input, nil
		}
	}
	return nil, errors.New("there is no manifest of segment_track")
}

// typedSchema says in addition what each property must be, as a tracking plan would: its type, and
// of amounts between what they are.
func typedSchema() (*schemas.Schema, error) {
	s, err := schemas.Compile("typed.json", []byte(`{
		"type": "object", "additionalProperties": false, "required": ["event", "userId", "properties"],
		"properties": {
			"event": {"const": "Order Completed"},
			"userId": {"type": "string", "minLength": 1},
			"timestamp": {"type": "string", "format": "date-time"},
			"integrations": {"type": "object", "additionalProperties": {"type": "boolean"}},
			"context": {
				"type": "object",
				"properties": {
					"ip": {"type": "string"}, "locale": {"type": "string"},
					"timezone": {"type": "string"}, "userAgent": {"type": "string"},
					"page": {"type": "object", "properties": {"path": {"type": "string"}, "url": {"type": "string"}}},
					"campaign": {"type": "object", "additionalProperties": {"type": "string"}}
				}
			},
			"properties": {
				"type": "object", "required": ["order_id", "total", "currency", "products"],
				"properties": {
					"order_id": {"type": "string", "minLength": 1}, "affiliation": {"type": "string"},
					"total": {"type": "number", "minimum": 0, "maximum": 99999.99},
					"subtotal": {"type": "number", "minimum": 0, "maximum": 99999.99},
					"revenue": {"type": "number", "minimum": 0, "maximum": 99999.99},
					"shipping": {"type": "number", "minimum": 0, "maximum": 99999.99},
					"tax": {"type": "number", "minimum": 0, "maximum": 99999.99},
					"discount": {"type": "number", "minimum": 0, "maximum": 99999.99},
					"coupon": {"type": "string"}, "currency": {"enum": ["EUR", "GBP", "USD"]}, "first_order": {"type": "boolean"},
					"products": {
						"type": "array", "minItems": 1,
						"items": {
							"type": "object", "required": ["product_id", "price", "quantity"],
							"properties": {
								"product_id": {"type": "string"}, "sku": {"type": "string"}, "name": {"type": "string", "maxLength": 200},
								"price": {"type": "number", "minimum": 0.01, "maximum": 99999.99},
								"quantity": {"type": "integer", "minimum": 1},
								"category": {"type": "string"}
							}
						}
					}
				}
			}
		}
	}`))
	if err != nil {
		return nil, fmt.Errorf("typed schema: %w", err)
	}
	return s, nil
}
