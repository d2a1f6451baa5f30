package emulator

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// serveQuery answers /emulator/v1/.
func (e *Emulator) serveQuery(w http.ResponseWriter, r *http.Request) {
	if refused := e.guard(r); refused != nil {
		refused.answer().write(w)
		return
	}
	name := strings.TrimPrefix(r.URL.Path, "/emulator/v1/")
	switch {
	case name == "events" && r.Method == http.MethodGet:
		e.queryEvents(w, r)
	case name == "events" && r.Method == http.MethodDelete:
		e.queryClear().write(w)
	case name == "events":
		methodNotAllowed(r.Method, "GET, DELETE").write(w)
	case name == "faults":
		e.queryFaults(r).write(w)
	case r.Method != http.MethodGet && isQueryPath(name):
		methodNotAllowed(r.Method, "GET").write(w)
	case name == "discards":
		e.queryDiscards(w, r)
	case name == "requests":
		e.queryRequests(w, r)
	case name == "stats":
		answer{status: 200, body: appendValue(nil, e.Stats())}.write(w)
	case name == "stream":
		e.serveStream(w, r)
	case isQueryPath(name):
		e.queryEvent(strings.TrimPrefix(name, "events/")).write(w)
	default:
		notFound("no such path: " + show([]byte(r.URL.Path))).write(w)
	}
}

func isQueryPath(name string) bool {
	return slices.Contains([]string{"discards", "requests", "stats", "stream"}, name) || strings.HasPrefix(name, "events/")
}

// guard keeps the query API from whoever reached it by way of a browser: a page
// of another origin, or one whose own name was rebound to this address. A page of
// the same site is another origin, too: every port of localhost is one site.
func (e *Emulator) guard(r *http.Request) *refusal {
	if !e.allowedHost(r.Host) {
		return &refusal{403, CodeForbidden, "", "host must be loopback or allowed: " + quoted(r.Host)}
	}
	if origin := r.Header.Get("Origin"); origin != "" {
		if u, err := url.Parse(origin); err != nil || u.Host != r.Host {
			return &refusal{403, CodeForbidden, "", "origin must be this server's own: " + quoted(origin)}
		}
	}
	// Images, scripts and frames are fetched without an Origin.
	switch site := r.Header.Get("Sec-Fetch-Site"); site {
	case "", "none", "same-origin": // a program, the address bar, a page of this server
	default:
		return &refusal{403, CodeForbidden, "", "a page of another origin must not ask: Sec-Fetch-Site is " + quoted(site)}
	}
	if e.cfg.token == "" {
		return nil
	}
	given, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	// Hashed so that the comparison takes the same time for any length.
	have, want := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(e.cfg.token))
	if subtle.ConstantTimeCompare(have[:], want[:]) != 1 {
		return &refusal{401, CodeUnauthorized, "", "must have the token, as Authorization: Bearer"}
	}
	return nil
}

func (e *Emulator) allowedHost(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.ToLower(strings.Trim(host, "[]"))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	if addr, err := netip.ParseAddr(host); err == nil && addr.IsLoopback() {
		return true
	}
	return slices.ContainsFunc(e.cfg.hosts, func(h string) bool { return strings.EqualFold(h, host) })
}

// params reads a query and collects what is wrong with it.
type params struct {
	values url.Values
	errs   []error
}

func readParams(r *http.Request, known ...string) *params {
	values, err := url.ParseQuery(r.URL.RawQuery)
	p := &params{values: values}
	if err != nil {
		p.errs = append(p.errs, errors.New("query cannot be read"))
	}
	for name := range values {
		if !slices.Contains(known, name) {
			p.errs = append(p.errs, fmt.Errorf("parameter must be one of %s: %q", strings.Join(known, ", "), name))
		}
	}
	return p
}

func (p *params) number(name string) uint64 {
	text := p.values.Get(name)
	if text == "" {
		return 0
	}
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		p.errs = append(p.errs, fmt.Errorf("%s must be a whole number: %q", name, text))
	}
	return n
}

func (p *params) limit() int {
	n := p.number("limit")
	if n == 0 {
		return defaultPageLimit
	}
	return int(min(n, maxPageLimit))
}

func (p *params) newest() bool {
	order := p.values.Get("order")
	if order != "" && order != "asc" && order != "desc" {
		p.errs = append(p.errs, fmt.Errorf("order must be asc or desc: %q", order))
	}
	return order == "desc"
}

// refused returns the answer to a query that makes no sense.
func (p *params) refused() (answer, bool) {
	if err := errors.Join(p.errs...); err != nil {
		return refusal{400, CodeBadRequest, "", strings.ReplaceAll(err.Error(), "\n", "; ")}.answer(), true
	}
	return answer{}, false
}

func (e *Emulator) queryEvents(w http.ResponseWriter, r *http.Request) {
	p := readParams(r, "type", "name", "userId", "anonymousId", "messageId", "source", "text", "since", "limit", "order")
	f := Filter{
		Type: p.values.Get("type"), Name: p.values.Get("name"), UserID: p.values.Get("userId"),
		AnonymousID: p.values.Get("anonymousId"), MessageID: p.values.Get("messageId"),
		Source: p.values.Get("source"), Text: p.values.Get("text"),
		Since: p.number("since"), Limit: p.limit(), Newest: p.newest(),
	}
	if a, refused := p.refused(); refused {
		a.write(w)
		return
	}
	events := e.Events(f)
	writeList(w, "events", len(events), func(dst []byte, i int) []byte { return events[i].appendJSON(dst) })
}

func (e *Emulator) queryEvent(messageID string) answer {
	ev, ok := e.Event(messageID)
	if !ok {
		return notFound("no event has the messageId: " + show([]byte(messageID)))
	}
	return answer{status: http.StatusOK, body: ev.appendJSON(nil)}
}

func (e *Emulator) queryDiscards(w http.ResponseWriter, r *http.Request) {
	p := readParams(r, "code", "messageId", "source", "since", "limit", "order")
	f := DiscardFilter{
		Code: p.values.Get("code"), MessageID: p.values.Get("messageId"), Source: p.values.Get("source"),
		Since: p.number("since"), Limit: p.limit(), Newest: p.newest(),
	}
	if a, refused := p.refused(); refused {
		a.write(w)
		return
	}
	discards := e.Discards(f)
	writeList(w, "discards", len(discards), func(dst []byte, i int) []byte { return discards[i].appendJSON(dst) })
}

func (e *Emulator) queryRequests(w http.ResponseWriter, r *http.Request) {
	p := readParams(r, "since", "limit", "order")
	since, limit, newest := p.number("since"), p.limit(), p.newest()
	if a, refused := p.refused(); refused {
		a.write(w)
		return
	}
	requests := slices.DeleteFunc(e.Requests(), func(r Request) bool { return r.Seq <= since })
	if newest {
		slices.Reverse(requests)
	}
	writeList(w, "requests", min(limit, len(requests)),
		func(dst []byte, i int) []byte { return requests[i].appendJSON(dst) })
}

// writeList answers with a list, one item after the other: together they may be as
// large as all that is kept.
func writeList(w http.ResponseWriter, name string, n int, appendItem func([]byte, int) []byte) {
	jsonHeader(w.Header())
	text := append(appendValue([]byte{'{'}, name), ':', '[')
	for i := range n {
		if i > 0 {
			text = append(text, ',')
		}
		text = appendItem(text, i)
		if _, err := w.Write(text); err != nil {
			return // the client is gone
		}
		text = text[:0]
	}
	_, _ = w.Write(append(text, "]}"...))
}

func (e *Emulator) queryClear() answer {
	if err := e.Clear(); err != nil {
		return refusal{500, CodeStorage, "", "the log could not be emptied"}.answer()
	}
	return success()
}

func (e *Emulator) queryFaults(r *http.Request) answer {
	switch r.Method {
	case http.MethodGet:
	case http.MethodDelete:
		e.ClearFaults()
	case http.MethodPost:
		faults, refused := readFaults(r)
		if refused == nil {
			if err := e.Script(faults...); err != nil {
				refused = &refusal{400, CodeBadRequest, "", strings.TrimPrefix(err.Error(), "emulator: ")}
			}
		}
		if refused != nil {
			return refused.answer()
		}
	default:
		return methodNotAllowed(r.Method, "GET, POST, DELETE")
	}
	list := []jsonFault{}
	for _, f := range e.Faults() {
		list = append(list, f.json())
	}
	return answer{status: http.StatusOK, body: appendValue(nil, map[string]any{"faults": list})}
}

// readFaults reads one fault or a list of them.
func readFaults(r *http.Request) ([]Fault, *refusal) {
	// Demanding this type makes a browser ask first, and be told no.
	if media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); media != "application/json" {
		return nil, &refusal{415, CodeBadRequest, "", fmt.Sprintf("Content-Type must be application/json: %q", media)}
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxQueryBody+1))
	switch {
	case err != nil:
		return nil, &refusal{400, CodeBadRequest, "", "body could not be read to its end"}
	case len(body) > maxQueryBody:
		return nil, &refusal{413, CodeBadRequest, "", fmt.Sprintf("body must be at most %d bytes", maxQueryBody)}
	}
	if err := checkJSON(body); err != nil {
		return nil, &refusal{400, CodeBadRequest, "", err.Error()}
	}
	if kindOf(body) != '[' {
		body = slices.Concat([]byte{'['}, body, []byte{']'})
	}
	var list []jsonFault
	dec := json.NewDecoder(strings.NewReader(string(body)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&list); err != nil {
		return nil, &refusal{400, CodeBadRequest, "", "fault cannot be read: " + strings.TrimPrefix(err.Error(), "json: ")}
	}
	faults := make([]Fault, len(list))
	for i, j := range list {
		f, err := j.fault()
		if err != nil {
			return nil, &refusal{400, CodeBadRequest, pointerTo("", i, "delay"), fmt.Sprintf("fault %d: %v", i, err)}
		}
		faults[i] = f
	}
	return faults, nil
}
