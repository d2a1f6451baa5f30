package rest

import (
	"bytes"
	"encoding/json"
	"fmt"
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

// longestSource bounds the name of a source, in bytes.
const longestSource = 256

// open reads the body of a request and opens one level of it. If the body seems to have no member
// but the input, only the runtime reads that: reading a batch twice takes a tenth of the time. The
// runtime reads an input to its end before it sends anything. See fault.
func (h *Handler) open(w http.ResponseWriter, r *http.Request) (envelope, *Problem) {
	data, p := guard.ReadJSON(w, r, int64(h.cfg.MaxBody))
	if p != nil {
		return envelope{}, wrap(p)
	}
	if input, ok := soleInput(data); ok {
		return envelope{input: input, body: data}, nil
	}
	return h.parse(data)
}

// soleInput cuts the object called input out of a body, if the body begins and ends with it. The
// result is invalid JSON if the body is invalid or has another member.
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

// fault returns what is wrong with a body that only the runtime has read, or nil. It replaces the
// error of the runtime, whose places are relative to the input.
func (h *Handler) fault(e envelope) *Problem {
	if e.body == nil {
		return nil
	}
	_, p := h.parse(e.body)
	return p
}

func (h *Handler) parse(data []byte) (envelope, *Problem) {
	// The runtime checks the depth of the input.
	obj, err := rawjson.ParseObject(data, rawjson.Limits{MaxBytes: h.cfg.MaxBody, MaxDepth: 1000})
	if err != nil {
		return envelope{}, faultyJSON(err)
	}
	return envelopeOf(obj)
}

// envelopeOf names everything that is wrong with a body. It does not show values, which may be
// secret.
func envelopeOf(obj rawjson.Object) (e envelope, _ *Problem) {
	var violations []schemas.Violation
	wrong := func(path, code, message string) {
		violations = append(violations, schemas.Violation{Path: path, Code: code, Message: message})
	}
	for _, m := range obj {
		kind := rawjson.KindOf(m.Value)
		switch m.Name {
		case "input":
			if e.input = m.Value; kind != rawjson.ObjectKind {
				wrong("/input", "wrong_type", "must be an object")
			}
		case "source":
			var ok bool
			e.source, ok = rawjson.Text(m.Value)
			if !ok && kind != rawjson.NullKind || len(e.source) > longestSource {
				wrong("/source", "wrong_type",
					fmt.Sprintf("must be the name of a source, of %d bytes at most", longestSource))
			}
		case "attempts":
			if e.attempts = string(m.Value) == "true"; kind != rawjson.BooleanKind {
				wrong("/attempts", "wrong_type", "must be true or false")
			}
		default:
			meant := schemas.DidYouMean(m.Name, []string{"input", "source", "attempts"})
			wrong(rawjson.Pointer("", m.Name), "unknown_member", "is not a known member"+meant)
		}
	}
	if e.input == nil {
		wrong("/input", "missing_member", "must be given, as an object")
	}
	if violations == nil {
		return e, nil
	}
	return e, faultyBody("the body is not valid", violations)
}

// faultyBody returns the problem of a faulty body. As in the runtime's error for a faulty input,
// the detail is one line with the first violations, and long lists and values are cut.
func faultyBody(detail string, violations []schemas.Violation) *Problem {
	e := runtime.Refuse(violations)
	_, list, _ := strings.Cut(e.Message, ": ")
	p := newProblem(codeRequest, text.Escape(detail+"; "+list), e.Violations...)
	p.UnlistedViolations = e.UnlistedViolations
	return p
}

// faultyJSON answers a fault inside the input as the runtime does, with 422 and a path into the
// input. If the body as a whole cannot be read, the request is faulty.
func faultyJSON(err error) *Problem {
	v := schemas.InvalidJSON(err)
	path, inside := strings.CutPrefix(v.Path, "/input/")
	switch {
	case v.Code == string(runtime.TooLarge):
		return newProblem(v.Code, "the body "+err.Error())
	case v.Code == "too_deep": // has no path, but nothing else has a reason to nest
	case inside && v.Code != "invalid_json":
		v.Path = "/" + path
	default:
		return faultyBody("the body cannot be read", []schemas.Violation{v})
	}
	return problemOf(runtime.Refuse([]schemas.Violation{v}))
}
