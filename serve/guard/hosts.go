package guard

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/aacflow/segment-blocks/internal/loopback"
)

// hostList has the host names that requests may have, and the origins that may send them.
type hostList struct {
	any     bool
	names   []string
	origins []string
}

func newHostList(hosts, origins []string) (hostList, error) {
	var l hostList
	for _, h := range hosts {
		name := bareHost(h)
		switch {
		case h == AnyHost:
			l.any = true
		case name == "" || name != strings.ToLower(strings.Trim(h, "[]")):
			return l, fmt.Errorf("a host must be a name or an address without scheme, port or path: %q", h)
		default:
			l.names = append(l.names, name)
		}
	}
	for _, o := range origins {
		u, err := url.Parse(o)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || o != u.Scheme+"://"+u.Host {
			return l, fmt.Errorf("an origin must be a scheme and a host, such as https://app.example.com: %q", o)
		}
		l.origins = append(l.origins, strings.ToLower(o))
	}
	return l, nil
}

// checkHost stops a web page that rebinds its own name to this machine: its browser sends that
// name.
func (l hostList) checkHost(r *http.Request) *Problem {
	name := bareHost(r.Host)
	if l.any || loopback.Host(name) || slices.Contains(l.names, name) {
		return nil
	}
	return &Problem{
		Status: http.StatusForbidden, Code: "host_not_allowed",
		Detail: fmt.Sprintf("the Host header must be a name that this server allows: %.100q", r.Host),
	}
}

// checkOrigin stops pages of other sites from making a browser send requests here. Programs send no
// Origin.
func (l hostList) checkOrigin(r *http.Request) *Problem {
	origins := r.Header.Values("Origin")
	switch {
	case len(origins) == 0 && !crossSite(r):
		return nil
	case len(origins) == 1 && l.allowsOrigin(origins[0], r.Host):
		return nil
	}
	named := strings.Join(origins, ", ")
	return &Problem{
		Status: http.StatusForbidden, Code: "origin_not_allowed",
		Detail: fmt.Sprintf("the origin of a web page must be one that this server allows: %.100q", named),
	}
}

func (l hostList) allowsOrigin(origin, host string) bool {
	u, err := url.Parse(origin)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" {
		return false
	}
	return strings.EqualFold(u.Host, host) || loopback.Host(bareHost(u.Host)) ||
		slices.Contains(l.origins, strings.ToLower(origin))
}

// crossSite reports whether a browser sends r for a page of another site without naming the site. A
// link that somebody follows does not count.
func crossSite(r *http.Request) bool {
	safe := r.Method == http.MethodGet || r.Method == http.MethodHead
	return r.Header.Get("Sec-Fetch-Site") == "cross-site" && (!safe || r.Header.Get("Sec-Fetch-Mode") != "navigate")
}

// bareHost returns a host in lower case, without port, brackets and a dot at its end, or "" if it
// is not a host.
func bareHost(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	} else if inner, ok := strings.CutPrefix(host, "["); ok {
		host = strings.TrimSuffix(inner, "]")
	}
	if strings.ContainsAny(host, "/@ []") {
		return ""
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}
