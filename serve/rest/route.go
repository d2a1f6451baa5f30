package rest

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/aacflow/segment-blocks/serve/guard"
)

// route is a path of the API and what answers it. A part in braces stands for any part that is not
// empty; what answers gets that part as variable.
type route struct {
	path      string
	get, post func(w http.ResponseWriter, r *http.Request, variable string)
}

// table lists the routes. An http.ServeMux would answer 301, 404 and 405 in HTML and plain text.
func (h *Handler) table() []route {
	routes := []route{
		{path: "/openapi.json", get: h.openapi},
		{path: "/v1/blocks", get: h.list},
		{path: "/v1/blocks/{id}", get: h.block},
		{path: "/v1/blocks/{id}/schema/input", get: h.inputSchema},
		{path: "/v1/blocks/{id}/schema/output", get: h.outputSchema},
		{path: "/v1/blocks/{id}/invoke", post: h.invoke},
		{path: "/v1/blocks/{id}/preview", post: h.preview},
		{path: "/v1/blocks/{id}/validate", post: h.validate},
		{path: "/v1/sources", get: h.sources},
		{path: "/v1/sources/{name}/delivery", get: h.delivery},
		{path: "/v1/sources/{name}/dead-letters", get: h.deadLetters},
		{path: "/v1/sources/{name}/dead-letters/retry", post: h.retryDead},
		{path: "/v1/sources/{name}/dead-letters/drop", post: h.dropDead},
		{path: "/v1/errors", get: h.errors},
		{path: "/v1/errors/{code}", get: h.error},
	}
	if h.cfg.Invocations != nil {
		routes = append(routes, route{path: "/v1/invocations", get: h.invocations},
			route{path: "/v1/invocations/stream", get: h.stream})
	}
	return routes
}

// find returns the route of a path and its variable, or nil.
func (h *Handler) find(path string) (found *route, variable string) {
	parts := strings.Split(strings.TrimPrefix(path, "/"), "/")
	matches := func(pattern, part string) bool {
		if strings.HasPrefix(pattern, "{") {
			variable = part
			return part != ""
		}
		return pattern == part
	}
	for i, rt := range h.routes {
		if slices.EqualFunc(strings.Split(rt.path[1:], "/"), parts, matches) {
			return &h.routes[i], variable
		}
	}
	return nil, ""
}

// Route names the route of a request for metrics, such as /v1/blocks/{id}, or returns other.
func (h *Handler) Route(r *http.Request) string {
	if found, _ := h.find(r.URL.Path); found != nil {
		return found.path
	}
	return "other"
}

// ServeHTTP answers a request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	guard.Identify(http.HandlerFunc(h.serve)).ServeHTTP(w, r)
}

func (h *Handler) serve(w http.ResponseWriter, r *http.Request) {
	found, variable := h.find(r.URL.Path)
	if found == nil {
		newProblem(
			codeNotFound,
			fmt.Sprintf("there is no such path: %.200q; /openapi.json lists those there are", r.URL.Path),
		).Write(w, r)
		return
	}
	answer, allow := found.get, "GET, HEAD"
	fits := r.Method == http.MethodGet || r.Method == http.MethodHead
	if found.post != nil {
		answer, allow, fits = found.post, http.MethodPost, r.Method == http.MethodPost
	}
	if !fits {
		w.Header().Set("Allow", allow)
		methods := strings.ReplaceAll(allow, ", ", " or ")
		newProblem(codeMethod, fmt.Sprintf("the method of this path must be %s: %.20q", methods, r.Method)).Write(w, r)
		return
	}
	answer(w, r, variable)
}
