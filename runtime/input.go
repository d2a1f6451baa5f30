package runtime

import (
	"errors"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/schemas"
)

// Input is what a block is invoked with: a [Map] or [JSON].
type Input interface {
	open(limits rawjson.Limits) (rawjson.Object, error)
}

// Map is an input as Go values. It is read, never changed. A json.Number or json.RawMessage keeps its digits.
type Map map[string]any

// JSON is an input as the bytes of a JSON object. Free-form values are passed on as they are written; what is normalised is
// said in docs/architecture.md: blanks, times, and JSON given as text. The bytes must not change during the invocation.
type JSON []byte

func (m Map) open(limits rawjson.Limits) (rawjson.Object, error) {
	return rawjson.EncodeObject(m, limits)
}

func (j JSON) open(limits rawjson.Limits) (rawjson.Object, error) {
	return rawjson.ParseObject(j, limits)
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
