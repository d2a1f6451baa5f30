package runtime

import (
	"errors"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/schemas"
)

// Input is what a block is invoked with: a [Map] or [JSON].
type Input interface {
	read(rt *Runtime, schema *schemas.Schema) (read, error)
}

// read is an input that has been read.
type read struct {
	*schemas.Opened
	// valid tells that the schema has accepted it as it stands, and that there is nothing in it to normalise.
	valid bool
	// release gives memory back for other invocations; nil where there is none. Nothing of the input may be used after.
	release func()
}

// Map is an input as Go values. It is read, never changed. A json.Number or json.RawMessage keeps its digits.
type Map map[string]any

// JSON is an input as the bytes of a JSON object. Free-form values are passed on as they are written; what is normalised is
// said in docs/architecture.md: blanks, times, and JSON given as text. The bytes must not change during the invocation.
type JSON []byte

func (m Map) read(rt *Runtime, schema *schemas.Schema) (read, error) {
	e, ok := rt.encoders.Get().(*rawjson.Encoder)
	if !ok {
		e = &rawjson.Encoder{}
	}
	release := func() { rt.encoders.Put(e) }
	obj, lists, err := e.Open(m, rt.limits)
	if err != nil {
		release()
		return read{}, err
	}
	blank, accepted := schema.AcceptsMap(m)
	r := read{&schemas.Opened{Object: obj, Lists: lists}, accepted && !blank, release}
	for _, field := range obj {
		r.valid = r.valid && !mayHoldReference(field.Value)
	}
	return r, nil
}

func (j JSON) read(rt *Runtime, schema *schemas.Schema) (read, error) {
	if opened, ok := schema.Scan(j, rt.limits); ok {
		return read{opened, !opened.Blank && !mayHoldReference(j), opened.Release}, nil
	}
	obj, err := rawjson.ParseObject(j, rt.limits)
	return read{Opened: &schemas.Opened{Object: obj}}, err
}

// inputViolation says what is wrong with an input that is not even JSON.
func inputViolation(err error, at string) schemas.Violation {
	v := schemas.Violation{Path: at, Code: "invalid_json", Message: err.Error()}
	var where *rawjson.Error
	if errors.As(err, &where) {
		v.Path += where.Pointer
	}
	switch {
	case errors.Is(err, rawjson.ErrDuplicateName):
		v.Code = "duplicate_key"
	case errors.Is(err, rawjson.ErrTooDeep):
		v.Code = "too_deep"
	case errors.Is(err, rawjson.ErrTooLarge):
		v.Code = string(TooLarge)
	case errors.Is(err, rawjson.ErrInvalidUTF8):
		v.Code = "invalid_utf8"
	case errors.Is(err, rawjson.ErrNotObject):
		v.Code = "wrong_type"
	}
	return v
}
