package guard

import (
	"net/http"
	"slices"
	"strings"
)

// What pages of the origins in [Config.Origins] may send and read, beyond what the Fetch standard
// lets every page.
const (
	corsMethods = "GET, HEAD, POST, DELETE"
	corsSent    = "Authorization, Content-Type, Idempotency-Key, If-None-Match, Last-Event-ID, " +
		"Mcp-Protocol-Version, Mcp-Session-Id, Traceparent"
	corsRead = "ETag, Idempotency-Key, Mcp-Session-Id, Retry-After, WWW-Authenticate, X-Request-Id"
)

// allowPage tells the browser that a page of an allowed origin may read the answer. It reports
// whether the request is a preflight of such a page. Cookies and the like are never allowed: a page
// that is to use the server has its token.
func (g *Guard) allowPage(w http.ResponseWriter, r *http.Request) (preflight bool) {
	if len(g.hosts.origins) == 0 {
		return false
	}
	h := w.Header()
	h.Add("Vary", "Origin")
	origins := r.Header.Values("Origin")
	if len(origins) != 1 || !slices.Contains(g.hosts.origins, strings.ToLower(origins[0])) {
		return false
	}
	h.Set("Access-Control-Allow-Origin", origins[0])
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		h.Set("Access-Control-Expose-Headers", corsRead)
		return false
	}
	h.Set("Access-Control-Allow-Methods", corsMethods)
	h.Set("Access-Control-Allow-Headers", corsSent)
	h.Set("Access-Control-Max-Age", "600")
	if r.Header.Get("Access-Control-Request-Private-Network") == "true" {
		h.Set("Access-Control-Allow-Private-Network", "true")
	}
	return true
}

// preflight answers one. It has no token, as browsers send none with it.
func (g *Guard) preflight(w http.ResponseWriter, r *http.Request) {
	p := g.hosts.checkHost(r)
	if p == nil {
		p = g.accepted.check(r)
	}
	if p != nil {
		p.Write(w, r)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
