package rest

import (
	"fmt"
	"net/http"

	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/schemas"
)

// The codes of faulty requests, beside those of package runtime.
const (
	codeNotFound  = "not_found"
	codeMethod    = "method_not_allowed"
	codeMediaType = "unsupported_media_type"
	codeRequest   = "invalid_request"
	codeKeyReused = "idempotency_key_reused"
	// These are of package workflows.
	codeWorkflow    = "invalid_workflow"
	codeRunConflict = "run_conflict"
)

// ErrorDoc documents the code of a problem.
type ErrorDoc struct {
	Code string `json:"code"`
	// Status is the HTTP status. It is 502 in place of 4xx if something was sent all the same.
	Status int `json:"status"`
	// Meaning and Remedy are sentences: what has happened, and what to do.
	Meaning string `json:"meaning"`
	Remedy  string `json:"remedy"`
	// Sent tells whether anything can have left: no, maybe or yes.
	Sent string `json:"sent"`
}

// Errors returns all codes of problems that the handler answers with: those of requests, then those
// of package runtime.
func Errors() []ErrorDoc {
	docs := []ErrorDoc{
		{codeNotFound, 404, "There is no such path.", "Look it up in /openapi.json.", "no"},
		{codeMethod, 405, "The path has no such method.", "Use one that the header Allow names.", "no"},
		{
			codeMediaType, 415, "The body is of another type than JSON, or compressed.",
			"Send JSON with Content-Type: application/json.", "no",
		},
		{
			codeRequest,
			400,
			"The request around the input is faulty.",
			"Correct what the detail and the violations name.",
			"no",
		},
		{
			codeKeyReused, 422, "The Idempotency-Key has been used for another body.",
			"Use a new key for each invocation, and the old one only to repeat it.", "no",
		},
		{
			codeWorkflow, 422, "The file is no workflow that can run.",
			"Correct what the faults name, by line and column.", "no",
		},
		{
			codeRunConflict, 409,
			"The run with this id goes on already, was begun with something else, or is too old to be resumed.",
			"Wait for its end, or begin one with another id.", "no",
		},
	}
	for _, c := range runtime.Codes() {
		docs = append(docs, ErrorDoc{string(c.Code), Status(c.Code), c.Meaning, c.Remedy, c.Sent})
	}
	return docs
}

// docOf returns what documents a code. Codes that it does not know are failures of this program.
func docOf(code string) ErrorDoc {
	for _, d := range Errors() {
		if d.Code == code {
			return d
		}
	}
	return ErrorDoc{Code: code, Status: http.StatusInternalServerError, Meaning: code}
}

func (h *Handler) errors(w http.ResponseWriter, r *http.Request, _ string) {
	writeCached(w, r, typeJSON, encode(map[string]any{"errors": Errors()}))
}

func (h *Handler) error(w http.ResponseWriter, r *http.Request, code string) {
	var known []string
	for _, d := range Errors() {
		if d.Code == code {
			writeCached(w, r, typeJSON, encode(d))
			return
		}
		known = append(known, d.Code)
	}
	newProblem(
		codeNotFound,
		fmt.Sprintf("there is no such error code: %.100q%s", code, schemas.DidYouMean(code, known)),
	).Write(w, r)
}
