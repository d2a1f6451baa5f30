package emulator

import (
	"cmp"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"
)

// Handler returns the emulator's HTTP API:
//
//	POST   /v1/{track,identify,page,screen,group,alias}   and /v1/{t,i,p,s,g,a}
//	POST   /v1/{batch,import}                             and /v1/b
//	GET    /v1/pixel/{track,identify,page,screen,group,alias}?data=BASE64
//	GET    /v1/projects/{writeKey}/settings               what analytics.js asks first
//
//	GET    /emulator/v1/events          ?type= name= userId= anonymousId= messageId=
//	                                    source= text= since= limit= order=asc|desc
//	GET    /emulator/v1/events/{messageId}
//	DELETE /emulator/v1/events          forgets everything, as Clear
//	GET    /emulator/v1/discards        ?code= messageId= source= since= limit= order=
//	GET    /emulator/v1/requests        ?since= limit= order=
//	GET    /emulator/v1/stats
//	GET    /emulator/v1/stream          ?since=; server-sent events, at most 16 for an address
//	GET    /emulator/v1/faults          POST appends one or a list, DELETE clears
//
// The first group may be reached from any origin, as Segment's may. The second
// shows customers' data: it answers only to a Host that is loopback or allowed by
// [AllowHosts], to no page of another origin, not even of the same site, and to
// whoever has the [Token], if there is one.
//
// The handler may be wrapped or mounted beside others, at the root only. A fault
// that cuts a connection needs an http.ResponseWriter that can be hijacked.
func (e *Emulator) Handler() http.Handler { return http.HandlerFunc(e.serve) }

func (e *Emulator) serve(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/emulator/v1/") {
		e.serveQuery(w, r)
		return
	}
	allowCORS(w, r)
	allow, serve := e.route(r.URL.Path)
	switch {
	case serve == nil:
		e.answerRecorded(w, r, notFound("no such path: "+show(hidePath(r.URL.Path))))
	case r.Method == http.MethodOptions:
		preflight(w, r, allow).write(w)
	case !allows(allow, r.Method):
		e.answerRecorded(w, r, methodNotAllowed(r.Method, allow))
	default:
		serve(w, r)
	}
}

// route returns the methods of a path of Segment's, and what serves it. The short
// forms are what browsers and phones use. Segment HTTP API; /v1/import is batch's
// former name.
func (e *Emulator) route(p string) (allow string, serve http.HandlerFunc) {
	name, isAPI := strings.CutPrefix(p, "/v1/")
	if !isAPI {
		return "", nil
	}
	tracking := func(typ string) (string, http.HandlerFunc) {
		return "POST, OPTIONS", func(w http.ResponseWriter, r *http.Request) { e.serveTracking(w, r, typ) }
	}
	if slices.Contains([]string{"batch", "b", "import"}, name) {
		return tracking("")
	}
	for _, typ := range messageTypes {
		switch name {
		case typ, typ[:1]:
			return tracking(typ)
		case "pixel/" + typ:
			return "GET, OPTIONS", func(w http.ResponseWriter, r *http.Request) { e.servePixel(w, r, typ) }
		}
	}
	before, after, _ := strings.Cut(name, "/")
	if key, ok := strings.CutSuffix(after, "/settings"); ok && before == "projects" {
		return "GET, OPTIONS", func(w http.ResponseWriter, r *http.Request) { e.serveSettings(w, r, key) }
	}
	return "", nil
}

// allows reports whether a list such as "GET, OPTIONS" has the method.
func allows(methods, method string) bool {
	return slices.Contains(strings.Split(methods, ", "), method)
}

// answerRecorded answers a request that brings no messages.
func (e *Emulator) answerRecorded(w http.ResponseWriter, r *http.Request, a answer) {
	c := e.newCall(r, "")
	c.answer = a
	e.finish(w, r, c)
}

func (e *Emulator) newCall(r *http.Request, typ string) *call {
	now := e.cfg.clock()
	return &call{
		cfg: &e.cfg, typ: typ, now: now,
		strict: e.cfg.mode == Strict || r.Header.Get("X-Strict-Mode") == "1",
		record: &Request{At: now, Method: r.Method, Path: hidePath(r.URL.Path)},
	}
}

func (e *Emulator) serveTracking(w http.ResponseWriter, r *http.Request, typ string) {
	limit := MaxMessageBytes
	if typ == "" {
		limit = MaxBatchBytes
	}
	body, size, bad := readBody(r, limit)
	bad = cmp.Or(bad, checkContentType(r.Header))
	e.handle(w, r, typ, body, size, func(c *call) { c.take(body, r.Header, bad) })
}

// handle takes a request whose body has been read through its faults.
func (e *Emulator) handle(
	w http.ResponseWriter, r *http.Request, typ string, body []byte, size int64, take func(*call),
) {
	fault, scripted := e.takeFault(r.URL.Path)
	gone := fault.Delay > 0 && !e.pause(w, r, fault.Delay)
	// The time of receipt is the time of storing, also after a delay.
	c := e.newCall(r, typ)
	c.secrets.add(keyFromHeader(r.Header))
	c.read(body)
	c.record.Size = size
	c.record.Faulted = scripted
	switch {
	case fault.Store, !gone && !fault.decides():
		take(c)
	case gone:
		c.answer.cut = true
	}
	if fault.decides() {
		c.answer = fault.answer()
	}
	e.finish(w, r, c)
}

// pause waits, and reports whether the client is still there.
func (e *Emulator) pause(w http.ResponseWriter, r *http.Request, d time.Duration) bool {
	// Beyond the server's own timeouts, whose end would cancel the request's context.
	control, until := http.NewResponseController(w), time.Now().Add(d+10*time.Second)
	_, _ = control.SetReadDeadline(until), control.SetWriteDeadline(until)
	select {
	case <-time.After(d):
		return true
	case <-r.Context().Done():
	case <-e.stopping:
	}
	return false
}

// finish stores and records before it answers, so that whoever has the answer
// can read the rest.
func (e *Emulator) finish(w http.ResponseWriter, r *http.Request, c *call) {
	c.record.Header = redactHeader(r.Header, &c.secrets)
	c.record.Status = c.answer.status
	e.commit(c)
	c.answer.write(w)
}

// hidePath takes the write key out of a path that carries one.
func hidePath(p string) string {
	const prefix = "/v1/projects/"
	key, tail, _ := strings.Cut(strings.TrimPrefix(p, prefix), "/")
	if !strings.HasPrefix(p, prefix) || key == "" {
		return p
	}
	return path.Join(prefix, redacted(key), tail)
}
