// Package routes finds what answers a request, as the APIs of a server do. An [http.ServeMux] would
// answer 404 and 405 in plain text, and clean paths by a redirect.
package routes

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/aacflow/segment-blocks/serve/guard"
)

// Table has what answers by patterns such as GET /v1/blocks/{id}. A part of a path in braces stands
// for any part that is not empty. GET means HEAD, too. Each path has one method, and no two patterns
// fit the same path.
type Table[A any] map[string]A

// Find returns what answers a request, and the part of its path that stands for the one in braces.
// The problem says that there is no such path, or that it has another method; then the header of the
// answer allows that.
func (t Table[A]) Find(w http.ResponseWriter, r *http.Request) (answer A, part string, p *guard.Problem) {
	method, path, part := t.find(r.URL.Path)
	switch {
	case path == "":
		p = &guard.Problem{Status: http.StatusNotFound, Code: "not_found", Detail: fmt.Sprintf(
			"there is no such path: %.200q; /openapi.json lists those there are", r.URL.Path)}
	case r.Method != method && (r.Method != http.MethodHead || method != http.MethodGet):
		allowed := strings.Replace(method, "GET", "GET, HEAD", 1)
		w.Header().Set("Allow", allowed)
		p = &guard.Problem{Status: http.StatusMethodNotAllowed, Code: "method_not_allowed", Detail: fmt.Sprintf(
			"the method of this path must be %s: %.20q", strings.ReplaceAll(allowed, ", ", " or "), r.Method)}
	}
	return t[method+" "+path], part, p
}

// Name names the route of a request for metrics, such as /v1/blocks/{id}, or returns other.
func (t Table[A]) Name(r *http.Request) string {
	_, path, _ := t.find(r.URL.Path)
	return cmp.Or(path, "other")
}

func (t Table[A]) find(given string) (method, path, part string) {
	matches := func(pattern, token string) bool {
		if strings.HasPrefix(pattern, "{") {
			part = token
			return token != ""
		}
		return pattern == token
	}
	for pattern := range t {
		method, path, _ = strings.Cut(pattern, " ")
		if slices.EqualFunc(strings.Split(path, "/"), strings.Split(given, "/"), matches) {
			return method, path, part
		}
	}
	return "", "", ""
}
