package rest

import (
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/aacflow/segment-blocks/serve/guard"
)

// endpoint answers the requests of a path. What it returns is the problem to answer with, if there
// is one.
type endpoint struct {
	methods []string
	answer  func(w http.ResponseWriter, r *http.Request) *Problem
}

func (e endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !slices.Contains(e.methods, r.Method) {
		w.Header().Set("Allow", strings.Join(e.methods, ", "))
		newProblem(codeMethod, fmt.Sprintf("the method of this path must be %s: %.20q",
			strings.Join(e.methods, " or "), r.Method)).Write(w, r)
	} else if p := e.answer(w, r); p != nil {
		p.Write(w, r)
	}
}

func (h *Handler) endpoints() *http.ServeMux {
	mux := http.NewServeMux()
	type answer = func(http.ResponseWriter, *http.Request) *Problem
	get := func(path string, a answer) { mux.Handle(path, endpoint{[]string{http.MethodGet, http.MethodHead}, a}) }
	post := func(path string, a answer) { mux.Handle(path, endpoint{[]string{http.MethodPost}, a}) }
	get("/openapi.json", h.openapi)
	get("/v1/blocks", h.list)
	get("/v1/blocks/{id}", h.block)
	get("/v1/blocks/{id}/schema/input", h.schema)
	get("/v1/blocks/{id}/schema/output", h.schema)
	post("/v1/blocks/{id}/invoke", h.invoke)
	post("/v1/blocks/{id}/preview", h.preview)
	post("/v1/blocks/{id}/validate", h.validate)
	get("/v1/sources", h.sources)
	get("/v1/sources/{name}/delivery", h.delivery)
	get("/v1/sources/{name}/dead-letters", h.deadLetters)
	post("/v1/sources/{name}/dead-letters/retry", h.changeDead)
	post("/v1/sources/{name}/dead-letters/drop", h.changeDead)
	get("/v1/errors", h.errors)
	get("/v1/errors/{code}", h.error)
	if h.cfg.Invocations != nil {
		get("/v1/invocations", h.invocations)
		get("/v1/invocations/stream", h.stream)
	}
	return mux
}

// unknownPath is the route of a request for a path that there is not.
const unknownPath = "other"

// Route names the route of a request for metrics, such as /v1/blocks/{id}, or returns other.
func (h *Handler) Route(r *http.Request) string {
	_, pattern := h.mux.Handler(r)
	if pattern == "" || path.Clean(r.URL.Path) != r.URL.Path { // which the mux would redirect, in HTML
		return unknownPath
	}
	return pattern
}

// ServeHTTP answers a request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	guard.Identify(http.HandlerFunc(h.serve)).ServeHTTP(w, r)
}

func (h *Handler) serve(w http.ResponseWriter, r *http.Request) {
	if h.Route(r) == unknownPath { // the mux would answer in plain text
		newProblem(codeNotFound,
			fmt.Sprintf("there is no such path: %.200q; /openapi.json lists those there are", r.URL.Path)).Write(w, r)
		return
	}
	h.mux.ServeHTTP(w, r)
}
