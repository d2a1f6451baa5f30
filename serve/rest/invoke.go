package rest

import (
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/uuid"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/schemas"
	"github.com/aacflow/segment-blocks/serve/internal/idempotency"
)

// request is a POST that has been read.
type request struct {
	ref   string // what the path names: an id, or an id and a major version
	block string // the id
	envelope
	invocation string // its id
	random     bool   // the client has sent no key
}

// options tells the runtime where to send and what the invocation is called.
func (q request) options() []runtime.InvokeOption {
	options := []runtime.InvokeOption{runtime.InvocationID(q.invocation)}
	if q.source != "" {
		options = append(options, runtime.ToSource(q.source))
	}
	return options
}

func (h *Handler) read(w http.ResponseWriter, r *http.Request) (q request, p *Problem) {
	b, p := h.lookup(r)
	if p != nil {
		return q, p
	}
	key, random, p := keyOf(r)
	if p != nil {
		return q, p
	}
	w.Header().Set(keyHeader, key)
	q.ref, q.block, q.random = r.PathValue("id"), b.Manifest().ID, random
	q.envelope, p = h.open(w, r)
	q.invocation = invocationID(q.block, q.source, key)
	return q, p
}

func (h *Handler) invoke(w http.ResponseWriter, r *http.Request) *Problem {
	w.Header().Add("Vary", "Accept")
	asResult := prefers(r, typeResult)
	q, p := h.read(w, r)
	if p == nil && !asResult && prefers(r, typeEvents) && !prefers(r, typeJSON) { // a client of MCP names both
		return h.follow(w, r, q)
	}
	var result *runtime.Result
	var attempts []runtime.Attempt
	if p == nil {
		result, attempts, p = h.run(r, q)
	}
	switch {
	case asResult && p != nil:
		writeFresh(w, typeResult, failedDoc(p))
	case asResult:
		writeFresh(w, typeResult, succeededDoc(result))
	case p != nil:
		return p
	default:
		writeFresh(w, typeJSON, resultDoc(result, attempts))
	}
	return nil
}

// run invokes the block. The attempts are nil unless the request asks for them.
func (h *Handler) run(
	r *http.Request, q request, options ...runtime.InvokeOption,
) (_ *runtime.Result, attempts []runtime.Attempt, _ *Problem) {
	options = append(options, q.options()...)
	if q.attempts {
		attempts = []runtime.Attempt{}
		options = append(options, runtime.RecordAttempts(&attempts))
	}
	known, random := q.invocation, ""
	if q.random { // nobody knows it before the answer
		known, random = "", known
	}
	result, err := h.keys.Do(known, q.block, q.input, func() (*runtime.Result, error) {
		return h.runtime.Invoke(r.Context(), q.ref, runtime.JSON(q.input), options...)
	})
	if err == nil { // nobody repeats a success, so a random key is not remembered
		return result, attempts, nil
	}
	p := h.fault(q.envelope)
	switch {
	case p != nil:
	case errors.Is(err, idempotency.ErrReused):
		p = newProblem(codeKeyReused, "the Idempotency-Key was used for another input; nothing was sent, "+
			"because the receiver would drop it as a duplicate")
	default:
		_, _ = h.keys.Do(random, q.block, q.input, func() (*runtime.Result, error) { return nil, err })
		p = problemOf(runtime.ErrorOf(err))
	}
	p.Attempts = attempts
	return nil, nil, p
}

// resultDoc is the answer with the output as it is.
func resultDoc(result *runtime.Result, attempts []runtime.Attempt) []byte {
	receipt, err := result.Receipt.MarshalJSON() // an encoder would read what this returns once more
	if err != nil {
		panic(err)
	}
	answer := rawjson.Object{{Name: "output", Value: result.Output}, {Name: "receipt", Value: receipt}}
	if attempts != nil {
		answer = answer.Set("attempts", encode(attempts))
	}
	return answer.JSON()
}

func (h *Handler) preview(w http.ResponseWriter, r *http.Request) *Problem {
	q, p := h.read(w, r)
	if p != nil {
		return p
	}
	requests, receipt, err := h.runtime.Preview(r.Context(), q.ref, runtime.JSON(q.input), q.options()...)
	if err != nil {
		return cmp.Or(h.fault(q.envelope), problemOf(runtime.ErrorOf(err)))
	}
	writeFresh(w, typeJSON, encode(struct {
		Requests []runtime.Request `json:"requests"`
		Receipt  *runtime.Receipt  `json:"receipt"`
	}{append([]runtime.Request{}, requests...), receipt}))
	return nil
}

// verdict is the answer of validate: an invalid input is a result here, and no failure.
type verdict struct {
	Valid bool `json:"valid"`
	// Code is the one that invoke would fail with.
	Code       runtime.Code        `json:"code,omitempty"`
	Violations []schemas.Violation `json:"violations"`
	Unlisted   int                 `json:"unlistedViolations,omitempty"`
}

func (h *Handler) validate(w http.ResponseWriter, r *http.Request) *Problem {
	q, p := h.read(w, r)
	if p != nil {
		return p
	}
	v := verdict{Valid: true, Violations: []schemas.Violation{}}
	if err := h.runtime.Validate(r.Context(), q.ref, runtime.JSON(q.input), q.options()...); err != nil {
		e := runtime.ErrorOf(err)
		if p := h.fault(q.envelope); p != nil {
			return p
		}
		if len(e.Violations) == 0 || e.Code == runtime.InvalidOutput {
			return problemOf(e)
		}
		v = verdict{Code: e.Code, Violations: e.Violations, Unlisted: e.UnlistedViolations}
	}
	writeFresh(w, typeJSON, encode(v))
	return nil
}

// succeededDoc is the answer in AACFlow's shape. The output is the block's own and nothing else,
// because workflows refer to its members. Those that are null are left out: the engine writes a
// reference to one into the next block as the text null, which would be taken for an id.
func succeededDoc(result *runtime.Result) []byte {
	answer := rawjson.Object{
		{Name: "success", Value: json.RawMessage("true")},
		{Name: "output", Value: schemas.WithoutNulls(result.Output)},
	}
	if result.Receipt.Emulated {
		answer = answer.Set("emulated", json.RawMessage("true"))
	}
	return answer.JSON()
}

// failedDoc is the same for a failure. The problem's detail is the error, which is all that an
// author sees, and the rest of the problem is the output. None of its members has a name that
// AACFlow's engine acts upon.
func failedDoc(p *Problem) []byte {
	return encode(struct {
		Success bool   `json:"success"`
		Output  any    `json:"output"`
		Error   string `json:"error"`
	}{false, struct {
		Code              string              `json:"code"`
		Retryable         bool                `json:"retryable"`
		RetryAfterSeconds float64             `json:"retryAfterSeconds,omitempty"`
		Violations        []schemas.Violation `json:"violations"`
		Unlisted          int                 `json:"unlistedViolations,omitempty"`
		Items             []runtime.Item      `json:"items,omitempty"`
		Receipt           *runtime.Receipt    `json:"receipt,omitempty"`
	}{p.Code, p.Retryable, p.RetryAfterSeconds, p.Violations, p.UnlistedViolations, p.Items, p.Receipt}, p.Detail})
}

const keyHeader = "Idempotency-Key"

// keyOf returns the key that a client gives an invocation, or a random one. The draft of the header
// demands quotes, which most clients leave out; both mean the same.
func keyOf(r *http.Request) (key string, random bool, _ *Problem) {
	values := r.Header.Values(keyHeader)
	if len(values) == 0 {
		return uuid.NewString(), true, nil
	}
	key = values[0]
	if inner, ok := strings.CutPrefix(key, `"`); ok && strings.HasSuffix(inner, `"`) {
		key = strings.TrimSuffix(inner, `"`)
	}
	odd := func(c rune) bool { return c <= ' ' || c > '~' || c == '"' }
	if len(values) > 1 || key == "" || len(key) > 255 || strings.ContainsFunc(key, odd) {
		return "", false, newProblem(codeRequest,
			"the header Idempotency-Key must appear once, with 1 to 255 visible ASCII characters and no quotes")
	}
	return key, false, nil
}

// invocationID is different for the same key of two blocks or two sources. The source is escaped,
// so that no two triples have the same id.
func invocationID(block, source, key string) string {
	return "rest/" + block + "/" + url.PathEscape(source) + "/" + key
}
