package serve

import (
	"encoding/json"
	"net/http"
	"strings"
)

const (
	healthPath  = "/healthz"
	readyPath   = "/readyz"
	mcpPath     = "/mcp"
	catalogPath = "/catalog"
)

// route is a path and what answers it.
type route struct {
	path    string // with a slash at its end it stands for all paths below it
	handler http.Handler
	name    string // for metrics, unless the handler is a namer
}

// namer is a handler with several routes.
type namer interface {
	// Route names the route of a request. It has few names, whatever the request asks for.
	Route(r *http.Request) string
}

// table lists the routes of a server. The first that matches counts, and the last matches every
// path. An [http.ServeMux] would redirect paths such as //x, in HTML.
func (s *Server) table(api, tools http.Handler) []route {
	routes := []route{
		{path: healthPath, handler: http.HandlerFunc(s.health)},
		{path: readyPath, handler: http.HandlerFunc(s.ready)},
		{path: mcpPath, handler: tools},
		{path: mcpPath + "/", handler: tools, name: mcpPath + "/{source}"},
	}
	if s.cfg.Metrics != nil {
		routes = append(routes, route{path: "/metrics", handler: s.cfg.Metrics})
	}
	if flows := s.cfg.Workflows; flows != nil {
		for _, path := range []string{"/v1/workflows", "/v1/runs"} {
			routes = append(routes, route{path: path, handler: flows}, route{path: path + "/", handler: flows})
		}
	}
	if s.page != nil {
		routes = append(routes,
			route{path: catalogPath + "/", handler: http.StripPrefix(catalogPath, s.page)},
			route{path: catalogPath, handler: http.HandlerFunc(toCatalog)})
	}
	return append(routes, route{path: "/", handler: api})
}

// toCatalog redirects to a path relative to the request's, since the server does not know the
// prefix that it is mounted under.
func toCatalog(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Location", strings.TrimPrefix(catalogPath, "/")+"/")
	w.WriteHeader(http.StatusFound)
}

func (s *Server) find(path string) route {
	for _, rt := range s.routes {
		if path == rt.path || strings.HasSuffix(rt.path, "/") && strings.HasPrefix(path, rt.path) {
			return rt
		}
	}
	return s.routes[len(s.routes)-1] // answers that there is no such path
}

// dispatch lets the route of a request answer it, and leads browsers from / to the catalog.
func (s *Server) dispatch(w http.ResponseWriter, r *http.Request) {
	if s.page != nil && r.URL.Path == "/" && r.Method == http.MethodGet &&
		strings.Contains(r.Header.Get("Accept"), "text/html") {
		toCatalog(w, r)
		return
	}
	s.find(r.URL.Path).handler.ServeHTTP(w, r)
}

func (s *Server) routeOf(r *http.Request) string {
	rt := s.find(r.URL.Path)
	switch named, ok := rt.handler.(namer); {
	case ok:
		return named.Route(r)
	case rt.name != "":
		return rt.name
	}
	return rt.path
}

func (s *Server) health(w http.ResponseWriter, _ *http.Request) { s.say(w, http.StatusOK, "ok") }

func (s *Server) ready(w http.ResponseWriter, _ *http.Request) {
	if s.draining.Load() {
		s.say(w, http.StatusServiceUnavailable, "stopping")
		return
	}
	s.say(w, http.StatusOK, "ready")
}

func (s *Server) say(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(struct {
		Status   string `json:"status"`
		Emulated bool   `json:"emulated,omitempty"`
	}{text, s.cfg.Emulated})
}
