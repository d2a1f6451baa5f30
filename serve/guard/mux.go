package guard

import (
	"fmt"
	"net/http"
	"path"
	"strings"
)

// Mux is an [http.ServeMux] that refuses requests with problem documents. A ServeMux answers 404
// and 405 in plain text, and redirects to clean paths. Refuse must be set.
type Mux struct {
	// Refuse answers a request with a problem.
	Refuse func(http.ResponseWriter, *http.Request, *Problem)

	mux http.ServeMux
}

// Handle registers the function that answers a path, such as /v1/blocks/{id}, for one method. GET
// includes HEAD.
func (m *Mux) Handle(method, path string, answer http.HandlerFunc) {
	allowed := strings.Replace(method, "GET", "GET, HEAD", 1)
	m.mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == method || r.Method == http.MethodHead && method == http.MethodGet {
			answer(w, r)
			return
		}
		w.Header().Set("Allow", allowed)
		methods := strings.ReplaceAll(allowed, ", ", " or ")
		m.Refuse(w, r, &Problem{
			Status: http.StatusMethodNotAllowed, Code: "method_not_allowed",
			Detail: fmt.Sprintf("the method of this path must be %s: %.20q", methods, r.Method),
		})
	})
}

// Route names the route of a request for metrics, such as /v1/blocks/{id}, or returns other.
func (m *Mux) Route(r *http.Request) string {
	_, pattern := m.mux.Handler(r)
	if pattern == "" || path.Clean("/"+r.URL.Path) != r.URL.Path { // the mux would redirect it
		return "other"
	}
	return pattern
}

// ServeHTTP answers a request.
func (m *Mux) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if m.Route(r) != "other" {
		m.mux.ServeHTTP(w, r)
		return
	}
	m.Refuse(w, r, &Problem{
		Status: http.StatusNotFound, Code: "not_found",
		Detail: fmt.Sprintf("there is no such path: %.200q; /openapi.json lists the paths", r.URL.Path),
	})
}
