package rest

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// route is a path of the API, split at its slashes, and what answers it. The part "*" stands for any one that is not empty.
type route struct {
	path    []string
	get     func(w http.ResponseWriter, r *http.Request, parts []string)
	post    func(w http.ResponseWriter, r *http.Request, parts []string)
	isBlock bool // parts[2] is the id of a block that must exist
}

// There is no http.ServeMux here: it answers 301, 404 and 405 in HTML and plain text.
func (s *server) routes() []route {
	return []route{
		{path: []string{"openapi.json"}, get: s.openapi},
		{path: []string{"v1", "blocks"}, get: s.list},
		{path: []string{"v1", "blocks", "*"}, get: s.block, isBlock: true},
		{path: []string{"v1", "blocks", "*", "schema", "input"}, get: s.schema, isBlock: true},
		{path: []string{"v1", "blocks", "*", "schema", "output"}, get: s.schema, isBlock: true},
		{path: []string{"v1", "blocks", "*", "invoke"}, post: s.invoke, isBlock: true},
		{path: []string{"v1", "blocks", "*", "preview"}, post: s.preview, isBlock: true},
		{path: []string{"v1", "blocks", "*", "validate"}, post: s.validate, isBlock: true},
		{path: []string{"v1", "errors"}, get: s.errors},
		{path: []string{"v1", "errors", "*"}, get: s.error},
	}
}

func (s *server) serve(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/"), "/")
	routes := s.routes()
	i := slices.IndexFunc(routes, func(rt route) bool { return rt.matches(parts) })
	if i < 0 {
		fault{http.StatusNotFound, codeNotFound, fmt.Sprintf("there is no such path: %.200q; /openapi.json lists those there are", r.URL.Path)}.write(w, r)
		return
	}
	switch found := routes[i]; {
	case found.get != nil && (r.Method == http.MethodGet || r.Method == http.MethodHead):
		if found.isBlock && !s.demandBlock(w, r, parts[2]) {
			return
		}
		found.get(w, r, parts)
	case found.post != nil && r.Method == http.MethodPost:
		found.post(w, r, parts)
	default:
		w.Header().Set("Allow", found.allow())
		fault{http.StatusMethodNotAllowed, codeMethod, fmt.Sprintf("this path must be asked with %s: %.20q", found.allow(), r.Method)}.write(w, r)
	}
}

func (rt route) matches(parts []string) bool {
	return slices.EqualFunc(rt.path, parts, func(pattern, part string) bool {
		return pattern == part || pattern == "*" && part != ""
	})
}

func (rt route) allow() string {
	if rt.get != nil {
		return "GET, HEAD"
	}
	return "POST"
}
