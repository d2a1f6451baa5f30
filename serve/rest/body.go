package rest

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strings"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/schemas"
	"github.com/aacflow/segment-blocks/serve/guard"
)

// envelope is the body of a POST: the input as it was written, and where to send.
type envelope struct {
	input  json.RawMessage
	source string
}

// The bounds of what an answer says about a body, whatever it holds.
const (
	mostViolations = 100
	longestName    = 256 // of a member, a source or a JSON Pointer, in bytes
)

// open reads the body of a request and opens one level of it.
func (s *server) open(w http.ResponseWriter, r *http.Request) (envelope, *Problem) {
	if p := checkMediaType(r); p != nil {
		return envelope{}, p
	}
	data, err := guard.ReadBody(w, r, int64(s.maxBody))
	var tooLarge *http.MaxBytesError
	var refused *guard.Problem
	switch {
	case errors.As(err, &tooLarge):
		return envelope{}, bodyTooLarge(tooLarge.Limit)
	case errors.As(err, &refused):
		return envelope{}, &Problem{Problem: *refused, Violations: []schemas.Violation{}}
	case err != nil:
		return envelope{}, badRequest("the body could not be read to its end", 0)
	}
	// One level deeper than the input, which the runtime measures by itself.
	obj, err := rawjson.ParseObject(data, rawjson.Limits{MaxBytes: s.maxBody, MaxDepth: s.maxDepth + 1})
	if err != nil {
		return envelope{}, faultyJSON(err)
	}
	return envelopeOf(obj)
}

// checkMediaType demands JSON by name. A browser sends that to another site only after it has asked for permission, which no form
// can.
func checkMediaType(r *http.Request) *Problem {
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return fault{http.StatusUnsupportedMediaType, codeMediaType, fmt.Sprintf("the body must not be compressed: Content-Encoding %.50q", encoding)}.problem()
	}
	given := r.Header.Get("Content-Type")
	name, _, err := mime.ParseMediaType(given)
	if err != nil || name != typeJSON {
		return fault{http.StatusUnsupportedMediaType, codeMediaType, fmt.Sprintf("the body must be JSON, with Content-Type: application/json: %.100q", given)}.problem()
	}
	return nil
}

func envelopeOf(obj rawjson.Object) (e envelope, _ *Problem) {
	known := []string{"input", "source"}
	var violations []schemas.Violation
	unlisted, hasInput := 0, false
	wrong := func(path, code, message string) {
		if len(violations) == mostViolations {
			unlisted++
			return
		}
		violations = append(violations, schemas.Violation{Path: path, Code: code, Message: message})
	}
	for _, m := range obj {
		kind := rawjson.KindOf(m.Value)
		switch m.Name {
		case "input":
			if hasInput = true; kind != rawjson.ObjectKind {
				wrong("/input", "wrong_type", "must be an object") // not shown: it may hold a secret
			}
			e.input = m.Value
		case "source":
			var ok bool
			if e.source, ok = rawjson.Text(m.Value); !ok && kind != rawjson.NullKind {
				wrong("/source", "wrong_type", "must be the name of a source")
			} else if len(e.source) > longestName {
				wrong("/source", "wrong_type", fmt.Sprintf("must be the name of a source, of %d bytes at most", longestName))
			}
		default:
			// What the member holds may be secret, and is not shown.
			switch {
			case len(violations) == mostViolations:
				unlisted++
			case len(m.Name) > longestName:
				wrong("", "unknown_member", fmt.Sprintf("has a member that it must not have: %.60q…", m.Name))
			default:
				wrong(rawjson.Pointer("", m.Name), "unknown_member", "is no member of the body"+schemas.DidYouMean(m.Name, known))
			}
		}
	}
	if !hasInput {
		wrong("/input", "missing_member", "must be there, an object")
	}
	if len(violations) == 0 {
		return e, nil
	}
	return e, badRequest("the body is not as it must be", unlisted, violations...)
}

// badRequest says what is wrong with a request. Its one line has room for the first violations.
func badRequest(detail string, unlisted int, violations ...schemas.Violation) *Problem {
	const most = 5
	var b strings.Builder
	b.WriteString(detail)
	for _, v := range violations[:min(most, len(violations))] {
		fmt.Fprintf(&b, "; %.100s %s", v.Path, v.Message)
	}
	if more := len(violations) + unlisted - most; more > 0 {
		fmt.Fprintf(&b, "; and %d more", more)
	}
	p := fault{http.StatusBadRequest, codeRequest, plain(b.String())}.problem(violations...)
	p.UnlistedViolations = unlisted
	return p
}

// plain keeps a detail to one line, whatever the name of a member holds.
func plain(text string) string { return (&runtime.Error{Message: text}).Error() }

func bodyTooLarge(limit int64) *Problem {
	return fault{http.StatusRequestEntityTooLarge, string(runtime.TooLarge), fmt.Sprintf("the body must have %d bytes at most", limit)}.problem()
}

// faultyJSON says of a fault inside the input the same as the runtime does: 422, and a path into the input. Where the body as a whole
// cannot be read, it is the request that is faulty.
func faultyJSON(err error) *Problem {
	var where *rawjson.Error
	if !errors.As(err, &where) {
		return badRequest(err.Error(), 0)
	}
	if len(where.Pointer) > longestName {
		where.Pointer = "" // as much of it as can be shown
	}
	code := "invalid_json"
	switch {
	case errors.Is(err, rawjson.ErrTooLarge):
		return fault{http.StatusRequestEntityTooLarge, string(runtime.TooLarge), "the body " + err.Error()}.problem()
	case errors.Is(err, rawjson.ErrDuplicateName):
		code = "duplicate_key"
	case errors.Is(err, rawjson.ErrTooDeep):
		code = "too_deep"
	case errors.Is(err, rawjson.ErrInvalidUTF8):
		code = "invalid_utf8"
	case errors.Is(err, rawjson.ErrNotObject):
		code = "wrong_type"
	}
	path, inside := strings.CutPrefix(where.Pointer, "/input/")
	switch {
	case code == "too_deep": // it is not said where, but nothing else has a reason to nest
		path = where.Pointer
	case !inside || code == "invalid_json":
		return badRequest("the body cannot be read", 0, schemas.Violation{Path: where.Pointer, Code: code, Message: err.Error()})
	default:
		path = "/" + path
	}
	v := schemas.Violation{Path: path, Code: code, Message: err.Error()}
	p := problemOf(runtime.Refuse([]schemas.Violation{v}))
	return &p
}
