package runtime

import (
	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/schemas"
)

// Input is what a block is invoked with: a [Map] or [JSON].
type Input interface {
	json(limits rawjson.Limits) ([]byte, error)
}

// Map is an input as Go values. It is read, never changed. A json.Number or json.RawMessage keeps
// its digits.
type Map map[string]any

// JSON is an input as the bytes of a JSON object. Free-form values are sent as they are written.
// Blanks, times and JSON in text are normalised; see docs/architecture.md. The bytes must not
// change until Invoke has returned. If an executor sends a value as it is, they must not change
// until the HTTP client is done with the request.
type JSON []byte

func (m Map) json(limits rawjson.Limits) ([]byte, error) {
	if m == nil {
		m = Map{}
	}
	return rawjson.Encode(map[string]any(m), limits)
}

func (j JSON) json(rawjson.Limits) ([]byte, error) { return j, nil }

// read opens an input. Normal means that the schema accepts it as it stands, and that it has
// nothing to normalise.
func (rt *Runtime) read(input Input, schema *schemas.Schema) (opened *schemas.Opened, normal bool, err error) {
	data, err := input.json(rt.limits)
	if err != nil {
		return nil, false, err
	}
	if opened, ok := schema.Scan(data, rt.limits); ok {
		blank := opened.Blank && rt.conventions.BlankIsAbsent
		// A schema may accept the text that JSON is given as.
		text := schema.TakesTextForJSON() && rt.conventions.JSONInText
		return opened, !blank && !text && !rt.conventions.MayBeUnresolved(data), nil
	}
	obj, err := rawjson.ParseObject(data, rt.limits)
	return &schemas.Opened{Object: obj}, false, err
}
