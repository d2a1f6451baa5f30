package emulator

import (
	"cmp"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/aacflow/segment-blocks/internal/loopback"
	"github.com/aacflow/segment-blocks/rawjson"
)

// serveQuery answers /emulator/v1/.
func (e *Emulator) serveQuery(w http.ResponseWriter, r *http.Request) {
	if refusal := e.guard(r); refusal != nil {
		refusal.answer().write(w)
		return
	}
	type route struct {
		allow string
		serve http.HandlerFunc
	}
	name := strings.TrimPrefix(r.URL.Path, "/emulator/v1/")
	to, found := map[string]route{
		"events":   {"GET, DELETE", e.queryEvents},
		"discards": {"GET", e.queryDiscards},
		"requests": {"GET", e.queryRequests},
		"stats":    {"GET", func(w http.ResponseWriter, _ *http.Request) { ok(appendValue(nil, e.Stats())).write(w) }},
		"stream":   {"GET", e.serveStream},
		"faults":   {"GET, POST, DELETE", e.queryFaults},
	}[name]
	if strings.HasPrefix(name, "events/") {
		to, found = route{"GET", e.queryEvent}, true
	}
	switch {
	case !found:
		notFound("no such path: " + show(r.URL.Path)).write(w)
	case !slices.Contains(strings.Split(to.allow, ", "), r.Method):
		methodNotAllowed(r.Method, to.allow).write(w)
	default:
		to.serve(w, r)
	}
}

// guard keeps the query API from whoever reached it by way of a browser: a page
// of another origin, or one whose own name was rebound to this address. A page of
// the same site is another origin, too: every port of localhost is one site.
func (e *Emulator) guard(r *http.Request) *refusal {
	origin, site := r.Header.Get("Origin"), r.Header.Get("Sec-Fetch-Site")
	forbidden := ""
	switch u, err := url.Parse(origin); {
	case !e.allowedHost(r.Host):
		forbidden = "host must be loopback or allowed: " + quoted(r.Host)
	case origin != "" && (err != nil || u.Host != r.Host):
		forbidden = "origin must be this server's own: " + quoted(origin)
	// Images, scripts and frames are fetched without an Origin. A program, the address
	// bar and a page of this server are "", "none" and "same-origin".
	case !slices.Contains([]string{"", "none", "same-origin"}, site):
		forbidden = "a page of another origin must not ask: Sec-Fetch-Site is " + quoted(site)
	}
	if forbidden != "" {
		return &refusal{http.StatusForbidden, "forbidden", "", forbidden}
	}
	if e.cfg.token == "" {
		return nil
	}
	given, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	// Hashed so that the comparison takes the same time for any length.
	have, want := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(e.cfg.token))
	if subtle.ConstantTimeCompare(have[:], want[:]) != 1 {
		return &refusal{401, "unauthorized", "", "must have the token, as Authorization: Bearer"}
	}
	return nil
}

func (e *Emulator) allowedHost(hostport string) bool {
	host := (&url.URL{Host: hostport}).Hostname()
	return loopback.Host(host) ||
		slices.ContainsFunc(e.cfg.hosts, func(h string) bool { return strings.EqualFold(h, host) })
}

// params reads a query and collects what is wrong with it.
type params struct {
	values url.Values
	errs   []error
}

func readParams(r *http.Request, known ...string) *params {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		err = fmt.Errorf("query cannot be read: %w", err)
	}
	p := &params{values, []error{err}}
	for name := range values {
		if !slices.Contains(known, name) {
			p.errs = append(p.errs, fmt.Errorf("parameter must be one of %s: %q", strings.Join(known, ", "), name))
		}
	}
	return p
}

func (p *params) number(name string) uint64 {
	text := p.values.Get(name)
	n, err := strconv.ParseUint(cmp.Or(text, "0"), 10, 63)
	if err != nil {
		p.errs = append(p.errs, fmt.Errorf("%s must be a whole number: %q", name, text))
	}
	return n
}

// page reads the part of a list that is asked for.
func (p *params) page() (since uint64, limit int, newest bool) {
	order := p.values.Get("order")
	if order != "" && order != "asc" && order != "desc" {
		p.errs = append(p.errs, fmt.Errorf("order must be asc or desc: %q", order))
	}
	limit = int(min(cmp.Or(p.number("limit"), defaultPageLimit), maxPageLimit))
	return p.number("since"), limit, order == "desc"
}

// refuse answers a query that makes no sense, and reports whether it is one.
func (p *params) refuse(w http.ResponseWriter) bool {
	err := errors.Join(p.errs...)
	if err == nil {
		return false
	}
	refused(400, "%s", strings.ReplaceAll(err.Error(), "\n", "; ")).answer().write(w)
	return true
}

func (e *Emulator) queryEvents(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodDelete {
		a := success()
		if e.Clear() != nil {
			a = refusal{500, "storage_error", "", "the log could not be emptied"}.answer()
		}
		a.write(w)
		return
	}
	p := readParams(r, "type", "name", "userId", "anonymousId", "messageId", "source", "text", "since", "limit", "order")
	f := Filter{
		Type: p.values.Get("type"), Name: p.values.Get("name"), UserID: p.values.Get("userId"),
		AnonymousID: p.values.Get("anonymousId"), MessageID: p.values.Get("messageId"),
		Source: p.values.Get("source"), Text: p.values.Get("text"),
	}
	f.Since, f.Limit, f.Newest = p.page()
	if !p.refuse(w) {
		writeList(w, "events", e.Events(f), (*Event).appendJSON)
	}
}

func (e *Emulator) queryEvent(w http.ResponseWriter, r *http.Request) {
	messageID := strings.TrimPrefix(r.URL.Path, "/emulator/v1/events/")
	ev, found := e.Event(messageID)
	if !found {
		notFound("no event has the messageId: " + show(messageID)).write(w)
		return
	}
	ok(ev.appendJSON(nil)).write(w)
}

func (e *Emulator) queryDiscards(w http.ResponseWriter, r *http.Request) {
	p := readParams(r, "code", "messageId", "source", "since", "limit", "order")
	f := DiscardFilter{
		Code: p.values.Get("code"), MessageID: p.values.Get("messageId"), Source: p.values.Get("source"),
	}
	f.Since, f.Limit, f.Newest = p.page()
	if !p.refuse(w) {
		writeList(w, "discards", e.Discards(f), (*Discard).appendJSON)
	}
}

func (e *Emulator) queryRequests(w http.ResponseWriter, r *http.Request) {
	p := readParams(r, "since", "limit", "order")
	since, limit, newest := p.page()
	if p.refuse(w) {
		return
	}
	e.mu.Lock()
	requests := e.requests.pick(func(r *Request) bool { return r.Seq > since }, limit, newest)
	e.mu.Unlock()
	writeList(w, "requests", requests, (*Request).appendJSON)
}

// writeList answers with a list, one item after the other: together they may be as
// large as all that is kept.
func writeList[T any](w http.ResponseWriter, name string, items []T, appendItem func(*T, []byte) []byte) {
	jsonHeader(w.Header())
	text := fmt.Appendf(nil, "{%q:[", name)
	for i := range items {
		if i > 0 {
			text = append(text, ',')
		}
		text = appendItem(&items[i], text)
		if _, err := w.Write(text); err != nil {
			return // the client is gone
		}
		text = text[:0]
	}
	_, _ = w.Write(append(text, "]}"...))
}

func (e *Emulator) queryFaults(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodDelete:
		e.ClearFaults()
	case http.MethodPost:
		if bad := e.addFaults(r); bad != nil {
			bad.answer().write(w)
			return
		}
	}
	ok(appendValue(nil, map[string]any{"faults": e.Faults()})).write(w)
}

// addFaults scripts the one fault or the list of them that a request holds.
func (e *Emulator) addFaults(r *http.Request) *refusal {
	// Demanding this type makes a browser ask first, and be told no.
	if media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); media != "application/json" {
		return refused(415, "Content-Type must be application/json: %q", media)
	}
	body, _, bad := readBody(r, maxQueryBody)
	if bad != nil {
		return bad
	}
	if err := checkJSON(body); err != nil {
		return refused(400, "%v", err)
	}
	if rawjson.KindOf(body) != rawjson.ArrayKind {
		body = slices.Concat([]byte{'['}, body, []byte{']'})
	}
	var faults []Fault
	if err := json.Unmarshal(body, &faults); err != nil {
		return refused(400, "fault cannot be read: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	if err := e.Script(faults...); err != nil {
		return refused(400, "%s", strings.TrimPrefix(err.Error(), "emulator: "))
	}
	return nil
}
