package rest

import (
	_ "embed"
	"fmt"
	"net/http"
	"slices"
	"sync"

	"gopkg.in/yaml.v3"

	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/schemas"
)

// The codes of faulty requests, beside those of package runtime. The file errors.yaml documents
// them, and those of package workflows.
const (
	codeNotFound  = "not_found"
	codeRequest   = "invalid_request"
	codeKeyReused = "idempotency_key_reused"
)

// ErrorDoc documents the code of a problem.
type ErrorDoc struct {
	runtime.CodeInfo `yaml:",inline"`
	// Status is the HTTP status. It is 502 in place of 4xx if something was sent all the same.
	Status int `json:"status"`
}

//go:embed errors.yaml
var errorsFile []byte

// errorDocs reads the file once: each problem is looked up in it.
var errorDocs = sync.OnceValue(func() (docs []ErrorDoc) {
	if err := yaml.Unmarshal(errorsFile, &docs); err != nil {
		panic(err) // the file is part of the program, and tests read it
	}
	for _, c := range runtime.Codes() {
		docs = append(docs, ErrorDoc{c, Status(c.Code)})
	}
	return docs
})

// Errors returns all codes of problems that the handler answers with: those of requests, then those
// of package runtime.
func Errors() []ErrorDoc { return slices.Clone(errorDocs()) }

// docOf returns the document of a code. An unknown code is a failure of this program.
func docOf(code string) ErrorDoc {
	for _, d := range errorDocs() {
		if string(d.Code) == code {
			return d
		}
	}
	return ErrorDoc{runtime.CodeInfo{Code: runtime.Code(code), Meaning: code}, http.StatusInternalServerError}
}

func (h *Handler) errors(w http.ResponseWriter, r *http.Request) *Problem {
	writeCached(w, r, typeJSON, encode(map[string]any{"errors": errorDocs()}))
	return nil
}

func (h *Handler) error(w http.ResponseWriter, r *http.Request) *Problem {
	code := r.PathValue("code")
	var known []string
	for _, d := range errorDocs() {
		if string(d.Code) == code {
			writeCached(w, r, typeJSON, encode(d))
			return nil
		}
		known = append(known, string(d.Code))
	}
	return newProblem(codeNotFound,
		fmt.Sprintf("there is no such error code: %.100q%s", code, schemas.DidYouMean(code, known)))
}
