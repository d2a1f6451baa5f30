package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strings"

	"github.com/aacflow/segment-blocks/internal/jsonscan"
	"github.com/aacflow/segment-blocks/internal/text"
	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/schemas"
	"github.com/aacflow/segment-blocks/serve/guard"
)

// envelope is the body of a POST: the input as it was written, and where to send.
type envelope struct {
	input    json.RawMessage
	source   string
	attempts bool   // the answer is to list them
	body     []byte // if nothing of the input has been read yet
}

// The bounds of what an answer tells of a body, whatever it holds.
const (
	mostViolations = 100
	longestName    = 256 // of a member, a source or a JSON Pointer, in bytes
)

// open reads the body of a request and opens one level of it. Where the body seems to have no member
// but the input, it leaves the reading to the runtime, which reads all of an input before it sends
// anything: for a batch, to read it twice takes a tenth of the time. See fault.
func (h *Handler) open(w http.ResponseWriter, r *http.Request) (envelope, *Problem) {
	if p := checkMediaType(r); p != nil {
		return envelope{}, p
	}
	data, err := guard.ReadBody(w, r, int64(h.cfg.MaxBody))
	var tooLarge *http.MaxBytesError
	var refused *guard.Problem
	switch {
	case errors.As(err, &tooLarge):
		return envelope{}, newProblem(
			string(runtime.TooLarge),
			fmt.Sprintf("the body must have %d bytes at most", tooLarge.Limit),
		)
	case errors.As(err, &refused):
		return envelope{}, &Problem{Problem: *refused, Violations: []schemas.Violation{}}
	case err != nil:
		return envelope{}, badRequest("the body could not be read to its end", 0)
	}
	if input, ok := soleInput(data); ok {
		return envelope{input: input, body: data}, nil
	}
	return h.parse(data)
}

// soleInput cuts the object called input out of a body, if it is what the body begins and ends with.
// If there is more in the body, or the body is no JSON, then what it returns is no JSON either.
func soleInput(body []byte) (json.RawMessage, bool) {
	s := jsonscan.Trusting(body)
	if s.Peek() != '{' || !s.Enter() {
		return nil, false
	}
	name, _, _ := s.Name()
	rest, closed := bytes.CutSuffix(bytes.TrimRight(body, " \t\r\n"), []byte("}"))
	if string(name) != "input" || s.Peek() != '{' || !closed {
		return nil, false
	}
	input := bytes.TrimRight(rest[s.Pos():], " \t\r\n")
	return input, bytes.HasSuffix(input, []byte("}"))
}

// fault returns what is wrong with a body of which only the runtime has read the input, or nil. It
// goes before the error of the runtime, in which places are those of the input.
func (h *Handler) fault(e envelope) *Problem {
	if e.body == nil {
		return nil
	}
	_, p := h.parse(e.body)
	return p
}

func (h *Handler) parse(data []byte) (envelope, *Problem) {
	// One level deeper than the input, whose depth the runtime checks itself.
	obj, err := rawjson.ParseObject(data, rawjson.Limits{MaxBytes: h.cfg.MaxBody, MaxDepth: h.cfg.MaxDepth + 1})
	if err != nil {
		return envelope{}, faultyJSON(err)
	}
	return envelopeOf(obj)
}

// checkMediaType demands JSON by name. A browser sends that to another site only after it has asked
// for permission, which no form can do.
func checkMediaType(r *http.Request) *Problem {
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return newProblem(codeMediaType, fmt.Sprintf("the body must not be compressed: Content-Encoding %.50q", encoding))
	}
	given := r.Header.Get("Content-Type")
	if name, _, err := mime.ParseMediaType(given); err != nil || name != typeJSON {
		return newProblem(
			codeMediaType,
			fmt.Sprintf("the body must be JSON, with Content-Type: application/json: %.100q", given),
		)
	}
	return nil
}

// envelopeOf names everything that is wrong with a body. It does not show values, which may be
// secret.
func envelopeOf(obj rawjson.Object) (e envelope, _ *Problem) {
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
		switch {
		case m.Name == "input":
			if hasInput = true; kind != rawjson.ObjectKind {
				wrong("/input", "wrong_type", "must be an object")
			}
			e.input = m.Value
		case m.Name == "source":
			var ok bool
			if e.source, ok = rawjson.Text(m.Value); !ok && kind != rawjson.NullKind {
				wrong("/source", "wrong_type", "must be the name of a source")
			} else if len(e.source) > longestName {
				wrong("/source", "wrong_type", fmt.Sprintf("must be the name of a source, of %d bytes at most", longestName))
			}
		case m.Name == "attempts":
			if e.attempts = string(m.Value) == "true"; kind != rawjson.BooleanKind {
				wrong("/attempts", "wrong_type", "must be true or false")
			}
		case len(violations) == mostViolations:
			unlisted++ // without the cost of its message
		case len(m.Name) > longestName:
			wrong("", "unknown_member", fmt.Sprintf("has an unknown member: %.60q…", m.Name))
		default:
			meant := schemas.DidYouMean(m.Name, []string{"input", "source", "attempts"})
			wrong(rawjson.Pointer("", m.Name), "unknown_member", "is not a known member"+meant)
		}
	}
	if !hasInput {
		wrong("/input", "missing_member", "must be given, as an object")
	}
	if len(violations) == 0 {
		return e, nil
	}
	return e, badRequest("the body is not valid", unlisted, violations...)
}

// badRequest returns the problem of a faulty request. Its one line has room for the first
// violations.
func badRequest(detail string, unlisted int, violations ...schemas.Violation) *Problem {
	const most = 5
	var b strings.Builder
	b.WriteString(detail)
	for _, v := range violations[:min(most, len(violations))] {
		b.WriteString("; ")
		if v.Path != "" { // the body as a whole has none
			fmt.Fprintf(&b, "%.100s ", v.Path)
		}
		b.WriteString(v.Message)
	}
	if more := len(violations) + unlisted - most; more > 0 {
		fmt.Fprintf(&b, "; and %d more", more)
	}
	p := newProblem(codeRequest, text.Escape(b.String()), violations...)
	p.UnlistedViolations = unlisted
	return p
}

// faultyJSON answers a fault inside the input as the runtime does, with 422 and a path into the
// input. If the body as a whole cannot be read, the request is faulty.
func faultyJSON(err error) *Problem {
	v := schemas.InvalidJSON(err)
	if len(v.Path) > longestName {
		v.Path = ""
	}
	path, inside := strings.CutPrefix(v.Path, "/input/")
	switch {
	case v.Code == string(runtime.TooLarge):
		return newProblem(v.Code, "the body "+err.Error())
	case v.Code == "too_deep": // has no path, but nothing else has a reason to nest
	case inside && v.Code != "invalid_json":
		v.Path = "/" + path
	default:
		return badRequest("the body cannot be read", 0, v)
	}
	return problemOf(runtime.Refuse([]schemas.Violation{v}))
}
