package rest

import (
	"cmp"
	"encoding/json"
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
	key    idempotencyKey
	random bool // the key is not the client's
}

// options tells the runtime where to send and what the invocation is called.
func (q request) options() []runtime.InvokeOption {
	options := []runtime.InvokeOption{runtime.InvocationID(q.key.invocationID(q.block, q.source))}
	if q.source != "" {
		options = append(options, runtime.ToSource(q.source))
	}
	return options
}

func (h *Handler) read(w http.ResponseWriter, r *http.Request, block string) (request, *Problem) {
	found, err := h.registry.Find(block)
	if err != nil {
		return request{}, unknown(block, err)
	}
	key, random, p := keyOf(r)
	if p != nil {
		return request{}, p
	}
	w.Header().Set(keyHeader, string(key))
	e, p := h.open(w, r)
	return request{block, found.Manifest().ID, e, key, random}, p
}

func (h *Handler) invoke(w http.ResponseWriter, r *http.Request, block string) {
	fail, succeed := failPlainly, succeedPlainly
	if prefers(r, typeResult) {
		fail, succeed = failAsResult, succeedAsResult
	}
	w.Header().Add("Vary", "Accept")
	q, p := h.read(w, r, block)
	if p != nil {
		fail(w, r, p)
		return
	}
	keep := true   // also if the runtime panics
	if !q.random { // nobody knows a random key before the answer
		use, ok := h.claim(q)
		if !ok {
			fail(w, r, cmp.Or(h.fault(q.envelope), newProblem(
				codeKeyReused,
				"the Idempotency-Key has been used for another input; nothing was sent, "+
					"since the receiver would drop it as a duplicate",
			)))
			return
		}
		defer func() { use.Done(keep) }()
	}
	var attempts []runtime.Attempt // stays nil unless they are asked for
	options := q.options()
	if q.attempts {
		attempts = []runtime.Attempt{}
		options = append(options, runtime.RecordAttempts(&attempts))
	}
	if prefers(r, typeEvents) && !prefers(r, typeJSON) { // a client of MCP names both everywhere
		events := newEvents(w)
		defer events.end()
		options = append(options, runtime.OnAttempt(events.attempt))
		fail, succeed = events.fail, events.succeed
	}
	result, err := h.runtime.Invoke(r.Context(), q.ref, runtime.JSON(q.input), options...)
	if err != nil {
		e := runtime.ErrorOf(err)
		keep = idempotency.Sent(e)
		if keep && q.random { // a success has no repeat, so only this needs the hash of the input
			if use, ok := h.claim(q); ok {
				use.Done(keep)
			}
		}
		p := cmp.Or(h.fault(q.envelope), problemOf(e))
		p.Attempts = attempts
		fail(w, r, p)
		return
	}
	succeed(w, result, attempts)
}

func (h *Handler) claim(q request) (*idempotency.Use, bool) {
	return h.keys.Claim(q.key.invocationID(q.block, q.source), q.block, q.input)
}

func failPlainly(w http.ResponseWriter, r *http.Request, p *Problem) { p.Write(w, r) }

// succeedPlainly answers with the output as it is.
func succeedPlainly(w http.ResponseWriter, result *runtime.Result, attempts []runtime.Attempt) {
	writeFresh(w, typeJSON, resultDoc(result, attempts))
}

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

func (h *Handler) preview(w http.ResponseWriter, r *http.Request, block string) {
	q, p := h.read(w, r, block)
	if p != nil {
		p.Write(w, r)
		return
	}
	requests, receipt, err := h.runtime.Preview(r.Context(), q.ref, runtime.JSON(q.input), q.options()...)
	if err != nil {
		cmp.Or(h.fault(q.envelope), problemOf(runtime.ErrorOf(err))).Write(w, r)
		return
	}
	writeFresh(w, typeJSON, encode(struct {
		Requests []runtime.Request `json:"requests"`
		Receipt  *runtime.Receipt  `json:"receipt"`
	}{append([]runtime.Request{}, requests...), receipt}))
}

// verdict is the answer of validate: an invalid input is a result here, and no failure.
type verdict struct {
	Valid bool `json:"valid"`
	// Code is the one that invoke would fail with.
	Code       runtime.Code        `json:"code,omitempty"`
	Violations []schemas.Violation `json:"violations"`
	Unlisted   int                 `json:"unlistedViolations,omitempty"`
}

func (h *Handler) validate(w http.ResponseWriter, r *http.Request, block string) {
	q, p := h.read(w, r, block)
	if p != nil {
		p.Write(w, r)
		return
	}
	v := verdict{Valid: true, Violations: []schemas.Violation{}}
	if err := h.runtime.Validate(r.Context(), q.ref, runtime.JSON(q.input), q.options()...); err != nil {
		e := runtime.ErrorOf(err)
		p := h.fault(q.envelope)
		if p == nil && (len(e.Violations) == 0 || e.Code == runtime.InvalidOutput) {
			p = problemOf(e)
		}
		if p != nil {
			p.Write(w, r)
			return
		}
		v = verdict{Code: e.Code, Violations: e.Violations, Unlisted: e.UnlistedViolations}
	}
	writeFresh(w, typeJSON, encode(v))
}

// succeedAsResult answers in AACFlow's shape. The output is the block's own and nothing else,
// because workflows refer to its members. Those that are null are left out: the engine writes a
// reference to one into the next block as the text null, which would be taken for an id.
func succeedAsResult(w http.ResponseWriter, result *runtime.Result, _ []runtime.Attempt) {
	answer := rawjson.Object{
		{Name: "success", Value: json.RawMessage("true")},
		{Name: "output", Value: schemas.WithoutNulls(result.Output)},
	}
	if result.Receipt.Emulated {
		answer = answer.Set("emulated", json.RawMessage("true"))
	}
	writeFresh(w, typeResult, answer.JSON())
}

// failAsResult answers with the problem's detail as the error, which is all that an author sees,
// and with the rest of the problem as the output. None of its members has a name that AACFlow's
// engine acts upon.
func failAsResult(w http.ResponseWriter, _ *http.Request, p *Problem) {
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

const keyHeader = "Idempotency-Key"

// idempotencyKey is the name that a client gives an invocation.
type idempotencyKey string

// keyOf returns the key of a request, or a random one. The draft of the header demands quotes,
// which most clients leave out; both mean the same.
func keyOf(r *http.Request) (key idempotencyKey, random bool, _ *Problem) {
	values := r.Header.Values(keyHeader)
	if len(values) == 0 {
		return idempotencyKey(uuid.NewString()), true, nil
	}
	text := values[0]
	if inner, ok := strings.CutPrefix(text, `"`); ok && strings.HasSuffix(inner, `"`) {
		text = strings.TrimSuffix(inner, `"`)
	}
	odd := func(c rune) bool { return c <= ' ' || c > '~' || c == '"' }
	if len(values) > 1 || text == "" || len(text) > 255 || strings.IndexFunc(text, odd) >= 0 {
		return "", false, badRequest(
			"the header Idempotency-Key must be there once, with 1 to 255 visible ASCII characters and no quotes inside",
			0,
		)
	}
	return idempotencyKey(text), false, nil
}

// invocationID is different for the same key of two blocks or two sources. The source is escaped,
// so that no two triples have the same id.
func (k idempotencyKey) invocationID(block, source string) string {
	return "rest/" + block + "/" + url.PathEscape(source) + "/" + string(k)
}
