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
		allow, params string // methods and parameters; without parameters they are not looked at
		serve         func(http.ResponseWriter, *http.Request, params)
	}
	name := strings.TrimPrefix(r.URL.Path, "/emulator/v1/")
	to, found := map[string]route{
		"events": {
			"GET, DELETE",
			"type, name, userId, anonymousId, messageId, source, text, since, limit, order", e.queryEvents,
		},
		"discards": {"GET", "code, messageId, source, since, limit, order", e.queryDiscards},
		"requests": {"GET", "since, limit, order", e.queryRequests},
		"stats":    {"GET", "", e.queryStats},
		"stream":   {"GET", "since", e.serveStream},
		"faults":   {"GET, POST, DELETE", "", e.queryFaults},
	}[name]
	if strings.HasPrefix(name, "events/") {
		to, found = route{"GET", "", e.queryEvent}, true
	}
	switch p, err := readParams(r, to.params); {
	case !found:
		notFound("no such path: " + show(r.URL.Path)).write(w)
	case !allows(to.allow, r.Method):
		methodNotAllowed(r.Method, to.allow).write(w)
	case err != nil:
		refused(400, "%s", strings.ReplaceAll(err.Error(), "\n", "; ")).answer().write(w)
	default:
		to.serve(w, r, p)
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

// params are those of a query, and the part of a list that it asks for.
type params struct {
	url.Values
	since  uint64
	limit  int
	newest bool
}

// readParams reads a query, and says all that is wrong with it.
func readParams(r *http.Request, known string) (params, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if known == "" {
		return params{}, nil
	}
	if err != nil {
		err = fmt.Errorf("query cannot be read: %w", err)
	}
	errs := []error{err}
	for name := range values {
		if !slices.Contains(strings.Split(known, ", "), name) {
			errs = append(errs, fmt.Errorf("parameter must be one of %s: %q", known, name))
		}
	}
	number := func(name string) uint64 {
		n, err := strconv.ParseUint(cmp.Or(values.Get(name), "0"), 10, 63)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s must be a whole number: %q", name, values.Get(name)))
		}
		return n
	}
	order := cmp.Or(values.Get("order"), "asc")
	if order != "asc" && order != "desc" {
		errs = append(errs, fmt.Errorf("order must be asc or desc: %q", order))
	}
	limit := min(cmp.Or(number("limit"), defaultPageLimit), maxPageLimit)
	return params{values, number("since"), int(limit), order == "desc"}, errors.Join(errs...)
}

func (e *Emulator) queryEvents(w http.ResponseWriter, r *http.Request, p params) {
	if r.Method == http.MethodDelete {
		a := success()
		if e.Clear() != nil {
			a = refusal{500, "storage_error", "", "the log could not be emptied"}.answer()
		}
		a.write(w)
		return
	}
	writeList(w, "events", e.Events(Filter{
		Type: p.Get("type"), Name: p.Get("name"), UserID: p.Get("userId"), AnonymousID: p.Get("anonymousId"),
		MessageID: p.Get("messageId"), Source: p.Get("source"), Text: p.Get("text"),
		Since: p.since, Limit: p.limit, Newest: p.newest,
	}), (*Event).appendJSON)
}

func (e *Emulator) queryEvent(w http.ResponseWriter, r *http.Request, _ params) {
	messageID := strings.TrimPrefix(r.URL.Path, "/emulator/v1/events/")
	ev, found := e.Event(messageID)
	if !found {
		notFound("no event has the messageId: " + show(messageID)).write(w)
		return
	}
	ok(ev.appendJSON(nil)).write(w)
}

func (e *Emulator) queryDiscards(w http.ResponseWriter, _ *http.Request, p params) {
	writeList(w, "discards", e.Discards(DiscardFilter{
		Code: p.Get("code"), MessageID: p.Get("messageId"), Source: p.Get("source"),
		Since: p.since, Limit: p.limit, Newest: p.newest,
	}), (*Discard).appendJSON)
}

func (e *Emulator) queryRequests(w http.ResponseWriter, _ *http.Request, p params) {
	e.mu.Lock()
	requests := e.requests.pick(func(r *Request) bool { return r.Seq > p.since }, p.limit, p.newest)
	e.mu.Unlock()
	writeList(w, "requests", requests, (*Request).appendJSON)
}

func (e *Emulator) queryStats(w http.ResponseWriter, _ *http.Request, _ params) {
	ok(appendValue(nil, e.Stats())).write(w)
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

func (e *Emulator) queryFaults(w http.ResponseWriter, r *http.Request, _ params) {
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
