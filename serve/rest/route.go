package rest

import (
	"net/http"

	"github.com/aacflow/segment-blocks/serve/guard"
)

// route has the paths answered. What an answer returns is the problem to answer with, if there is
// one.
func (h *Handler) route() {
	type answer = func(http.ResponseWriter, *http.Request) *Problem
	handle := func(method, path string, a answer) {
		h.mux.Handle(method, path, func(w http.ResponseWriter, r *http.Request) {
			if p := a(w, r); p != nil {
				p.Write(w, r)
			}
		})
	}
	get := func(path string, a answer) { handle(http.MethodGet, path, a) }
	post := func(path string, a answer) { handle(http.MethodPost, path, a) }
	h.mux.Refuse = func(w http.ResponseWriter, r *http.Request, p *guard.Problem) {
		newProblem(p.Code, p.Detail).Write(w, r)
	}
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
}

// Route names the route of a request for metrics, such as /v1/blocks/{id}, or returns other.
func (h *Handler) Route(r *http.Request) string { return h.mux.Route(r) }

// ServeHTTP answers a request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	guard.Identify(&h.mux).ServeHTTP(w, r)
}
