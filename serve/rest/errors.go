package rest

import (
	"fmt"
	"net/http"

	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/schemas"
)

// ErrorDoc documents the code of a problem.
type ErrorDoc struct {
	Code string `json:"code"`
	// Status is the HTTP status; 502 takes its place where it is 4xx and something was sent all the same.
	Status int `json:"status"`
	// Meaning and Remedy are sentences: when it comes, and what to do.
	Meaning string `json:"meaning"`
	Remedy  string `json:"remedy"`
	// Sent tells whether anything can have left: no, maybe or yes.
	Sent string `json:"sent"`
}

// Errors returns all codes of problems that the handler answers with: those of requests, then those of package runtime.
func Errors() []ErrorDoc {
	docs := []ErrorDoc{
		{codeNotFound, http.StatusNotFound, "There is no such path.", "Look it up in /openapi.json.", "no"},
		{codeMethod, http.StatusMethodNotAllowed, "The path has no such method.", "Use one that the header Allow names.", "no"},
		{codeMediaType, http.StatusUnsupportedMediaType, "The body is of another type than JSON, or compressed.", "Send JSON with Content-Type: application/json.", "no"},
		{codeRequest, http.StatusBadRequest, "The request around the input is faulty.", "Mend what the detail and the violations name.", "no"},
		{codeKeyReused, http.StatusUnprocessableEntity, "The Idempotency-Key has been used for another body.", "Use a new key for each invocation, and the old one only to repeat it.", "no"},
	}
	for _, c := range runtime.Codes() {
		docs = append(docs, ErrorDoc{string(c.Code), Status(c.Code), c.Meaning, c.Remedy, c.Sent})
	}
	return docs
}

func errorPath(code string) string { return "/v1/errors/" + code }

func (s *server) errors(w http.ResponseWriter, r *http.Request, _ []string) {
	writeCached(w, r, typeJSON, encode(map[string]any{"errors": Errors()}))
}

func (s *server) error(w http.ResponseWriter, r *http.Request, parts []string) {
	var known []string
	for _, d := range Errors() {
		if d.Code == parts[2] {
			writeCached(w, r, typeJSON, encode(d))
			return
		}
		known = append(known, d.Code)
	}
	fault{http.StatusNotFound, codeNotFound, fmt.Sprintf("there is no such error code: %.100q%s", parts[2], schemas.DidYouMean(parts[2], known))}.write(w, r)
}
