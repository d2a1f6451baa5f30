package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/santhosh-tekuri/jsonschema/v5"
	"github.com/tidwall/gjson"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/schemas"
)

// validation measures what it costs to accept a track event of 1.3 KB.
func validation(set settings) []group {
	n := set.scaled(20_000)
	cpu := cpuMicros()
	return []group{{
		name: "validation", rounds: 15,
		contenders: []contender{
			judging("typed", n, func(event []byte) (func() bool, error) {
				s, err := typedSchema()
				return func() bool { return s.AcceptsJSON(event, rawjson.Limits{}) }, err
			}),
			judging("typed by v5", n/10, validatedByV5),
			judging("json", n, func(event []byte) (func() bool, error) {
				reg, err := newRegistry()
				if err != nil {
					return nil, err
				}
				block, _ := reg.Lookup("segment_track")
				return func() bool { return block.Manifest().Input.AcceptsJSON(event, rawjson.Limits{}) }, nil
			}),
			judging("json by gjson", n, func(event []byte) (func() bool, error) {
				return func() bool { return gjson.ValidBytes(event) }, nil
			}),
		},
		lines: []line{
			cpu.of("validation/typed", atLeast(10),
				"a schema that also types properties, from bytes, against jsonschema/v5 on the decoded event", "typed").
				over(cheaper, "typed by v5"),
			cpu.of("validation/json", atMost(1.5),
				"the schema of segment_track, over gjson.Valid, which checks nothing but syntax", "json").
				over(ratio, "json by gjson"),
			kilobytes().of("validation/allocated", atMost(0.01), "memory allocated per event", "json"),
		},
	}}
}

// judging returns a contender that calls a validator, which must accept the event.
func judging(name string, n int, accept func(event []byte) (func() bool, error)) contender {
	return contender{name: name, open: func(context.Context, place) (runner, error) {
		f, err := accept(makeEvents(1, large())[0].call())
		return runner{run: func(context.Context) (sample, error) {
			for range n {
				if !f() {
					return sample{}, errors.New("the event is not accepted")
				}
			}
			return sample{Units: n}, nil
		}}, err
	}}
}

func validatedByV5(event []byte) (func() bool, error) {
	s, err := typedSchema()
	if err != nil {
		return nil, err
	}
	compiler := jsonschema.NewCompiler()
	compiler.Draft, compiler.AssertFormat = jsonschema.Draft2020, true
	if err := compiler.AddResource("schema.json", bytes.NewReader(s.JSON())); err != nil {
		return nil, err
	}
	compiled, err := compiler.Compile("schema.json")
	if err != nil {
		return nil, err
	}
	m, err := decoded(event)
	return func() bool { return compiled.Validate(m) == nil }, err
}

// typedSchema returns a schema that constrains each property as a tracking plan would: by its type
// and, for amounts, by a range.
func typedSchema() (*schemas.Schema, error) {
	s, err := schemas.Compile("typed.json", []byte(`{
		"type": "object", "additionalProperties": false, "required": ["event", "userId", "properties"],
		"properties": {
			"event": {"type": "string", "maxLength": 100},
			"userId": {"type": "string", "minLength": 1},
			"timestamp": {"type": "string", "format": "date-time"},
			"context": {
				"type": "object",
				"properties": {
					"ip": {"type": "string"}, "locale": {"type": "string"},
					"page": {"type": "object", "properties": {"path": {"type": "string"}, "url": {"type": "string"}}}
				}
			},
			"properties": {
				"type": "object", "required": ["order_id", "total", "currency", "products"],
				"properties": {
					"order_id": {"type": "string", "minLength": 1}, "coupon": {"type": "string"},
					"total": {"type": "number", "minimum": 0, "maximum": 99999.99},
					"currency": {"enum": ["EUR", "GBP", "SEK", "USD"]},
					"products": {
						"type": "array", "minItems": 1,
						"items": {
							"type": "object", "required": ["product_id", "price", "quantity"],
							"properties": {
								"product_id": {"type": "string"}, "name": {"type": "string", "maxLength": 200},
								"price": {"type": "number", "minimum": 0, "maximum": 99999.99},
								"quantity": {"type": "integer", "minimum": 1}
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
