package rest

import (
	"encoding/json"
	"net/http"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/schemas"
	"github.com/aacflow/segment-blocks/serve/internal/idempotency"
)

// request is a POST that has been read.
type request struct {
	block string
	envelope
	key    idempotencyKey
	random bool // the key is not the client's
}

// options says to the runtime where to send and what the invocation is called.
func (q request) options() []runtime.InvokeOption {
	options := []runtime.InvokeOption{runtime.InvocationID(q.key.invocationID(q.block, q.source))}
	if q.source != "" {
		options = append(options, runtime.ToSource(q.source))
	}
	return options
}

func (s *server) read(w http.ResponseWriter, r *http.Request, block string) (request, *Problem) {
	if e := s.unknown(block); e != nil {
		p := problemOf(e)
		return request{}, &p
	}
	key, random, p := keyOf(r)
	if p != nil {
		return request{}, p
	}
	w.Header().Set(keyHeader, string(key))
	e, p := s.open(w, r)
	return request{block, e, key, random}, p
}

func (s *server) invoke(w http.ResponseWriter, r *http.Request, parts []string) {
	fail, succeed := failPlainly, succeedPlainly
	if prefers(r, typeResult) {
		fail, succeed = failAsResult, succeedAsResult
	}
	w.Header().Set("Vary", "Accept")
	q, p := s.read(w, r, parts[2])
	if p != nil {
		fail(w, r, *p)
		return
	}
	use, ok := s.keys.Claim(q.key.invocationID(q.block, q.source), q.block, q.input)
	if !ok {
		fail(w, r, *keyReused())
		return
	}
	keep := true // also where the runtime panics
	defer func() { use.Done(keep) }()
	result, err := s.runtime.Invoke(r.Context(), q.block, runtime.JSON(q.input), q.options()...)
	if err != nil {
		e := runtime.ErrorOf(err)
		keep = idempotency.Sent(e)
		fail(w, r, problemOf(e))
		return
	}
	keep = !q.random // nobody repeats what has succeeded under a name that only we know
	succeed(w, result)
}

func failPlainly(w http.ResponseWriter, r *http.Request, p Problem) { p.Write(w, r) }

// succeedPlainly splices the output in as it is.
func succeedPlainly(w http.ResponseWriter, result *runtime.Result) {
	answer := rawjson.Object{{Name: "output", Value: result.Output}, {Name: "receipt", Value: encode(result.Receipt)}}
	writeFresh(w, typeJSON, answer.JSON())
}

func (s *server) preview(w http.ResponseWriter, r *http.Request, parts []string) {
	q, p := s.read(w, r, parts[2])
	if p != nil {
		p.Write(w, r)
		return
	}
	requests, receipt, err := s.runtime.Preview(r.Context(), q.block, runtime.JSON(q.input), q.options()...)
	if err != nil {
		problemOf(runtime.ErrorOf(err)).Write(w, r)
		return
	}
	writeFresh(w, typeJSON, encode(struct {
		Requests []runtime.Request `json:"requests"`
		Receipt  *runtime.Receipt  `json:"receipt"`
	}{append([]runtime.Request{}, requests...), receipt}))
}

// verdict is the answer of validate. What is wrong with the input is the result here, no failure.
type verdict struct {
	Valid bool `json:"valid"`
	// Code is the one that invoke would fail with.
	Code       runtime.Code        `json:"code,omitempty"`
	Violations []schemas.Violation `json:"violations"`
	Unlisted   int                 `json:"unlistedViolations,omitempty"`
}

func (s *server) validate(w http.ResponseWriter, r *http.Request, parts []string) {
	q, p := s.read(w, r, parts[2])
	if p != nil {
		p.Write(w, r)
		return
	}
	v := verdict{Valid: true, Violations: []schemas.Violation{}}
	if err := s.runtime.Validate(r.Context(), q.block, runtime.JSON(q.input), q.options()...); err != nil {
		e := runtime.ErrorOf(err)
		if len(e.Violations) == 0 || e.Code == runtime.InvalidOutput {
			problemOf(e).Write(w, r)
			return
		}
		v = verdict{Code: e.Code, Violations: e.Violations, Unlisted: e.UnlistedViolations}
	}
	writeFresh(w, typeJSON, encode(v))
}

// succeedAsResult answers in AACFlow's shape. The output is the block's own and nothing else: its members are what a workflow
// refers to.
func succeedAsResult(w http.ResponseWriter, result *runtime.Result) {
	answer := rawjson.Object{{Name: "success", Value: json.RawMessage("true")}, {Name: "output", Value: result.Output}}
	if result.Receipt.Emulated {
		answer = answer.Set("emulated", json.RawMessage("true"))
	}
	writeFresh(w, typeResult, answer.JSON())
}

// failAsResult answers with the problem's detail as the error, which is all that an author sees, and with what else is known as the
// output. None of its members has a name that steers AACFlow's engine.
func failAsResult(w http.ResponseWriter, _ *http.Request, p Problem) {
	writeFresh(w, typeResult, encode(struct {
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
	}{p.Code, p.Retryable, p.RetryAfterSeconds, p.Violations, p.UnlistedViolations, p.Items, p.Receipt}, p.Detail}))
}
