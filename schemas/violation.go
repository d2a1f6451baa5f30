package schemas

import (
	"errors"

	"github.com/aacflow/segment-blocks/rawjson"
)

// Violation is one finding about a value: something that is wrong with it or, in the warnings of a
// receipt, something worth a look.
type Violation struct {
	// Path is the JSON Pointer (RFC 6901) of the value, "" for the whole input.
	Path string `json:"path"`
	// Code is stable and fit to be matched against, such as event_not_defined.
	Code string `json:"code"`
	// Message says what must be, and ends in the offending value unless it is secret: must not be
	// empty: "". It is empty in the refusals of a manifest.
	Message string `json:"message,omitempty"`
}

// InvalidJSON returns the violation for a document that package rawjson has refused with err.
func InvalidJSON(err error) Violation {
	if where, ok := errors.AsType[*rawjson.Error](err); ok {
		return Violation{where.Pointer, where.Code, err.Error()}
	}
	return Violation{Code: "invalid_json", Message: err.Error()}
}
