package emulator

import (
	"errors"
	"net"
	"net/http"
	"strconv"
	"time"
)

const successBody = `{"success":true}`

// An answer is what goes back to the client: JSON unless its header says
// otherwise, or a cut connection.
type answer struct {
	status int
	header http.Header
	body   []byte
	cut    bool
}

func success() answer { return answer{status: http.StatusOK, body: []byte(successBody)} }

// A refusal is a whole request turned down, with the status of mode Strict.
type refusal struct {
	status  int
	code    string
	pointer string
	text    string
}

func (r refusal) answer() answer {
	return refuse(r.status, r.code, r.text, nil)
}

func refuse(status int, code, text string, problems []Problem) answer {
	return answer{status: status, body: appendValue(nil, struct {
		Success  bool      `json:"success"`
		Code     string    `json:"code"`
		Message  string    `json:"message"`
		Problems []Problem `json:"problems,omitempty"`
	}{false, code, text, problems})}
}

func methodNotAllowed(method, allow string) answer {
	a := refusal{http.StatusMethodNotAllowed, CodeMethodNotAllowed, "", "method must be " + allow + ": " + method}.answer()
	a.header = http.Header{"Allow": {allow}}
	return a
}

func notFound(text string) answer {
	return refusal{http.StatusNotFound, CodeNotFound, "", text}.answer()
}

func (a answer) write(w http.ResponseWriter) {
	if a.cut {
		cut(w)
		return
	}
	h := w.Header()
	jsonHeader(h)
	for name, values := range a.header {
		h[name] = values
	}
	if a.status >= 200 && a.status != http.StatusNoContent && a.status != http.StatusNotModified {
		h.Set("Content-Length", strconv.Itoa(len(a.body)))
	}
	w.WriteHeader(a.status)
	// A client that is gone cannot be told so.
	_, _ = w.Write(a.body)
}

func jsonHeader(h http.Header) {
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
}

// cut ends the connection so that the client sees a reset, not an orderly end.
func cut(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		// HTTP/2, or no connection at all: this is net/http's own way to abort.
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// allowCORS lets any web page send events, as Segment's API does; the query API
// is never given this.
func allowCORS(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	if origin == "" {
		origin = "*"
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Expose-Headers", "Retry-After, X-RateLimit-Reset")
}

// preflight answers OPTIONS. It is 200 with a body where 204 would do, so that
// the rule that everything is answered with JSON has no exception to remember.
func preflight(w http.ResponseWriter, r *http.Request, methods string) answer {
	h := w.Header()
	h.Set("Allow", methods)
	h.Set("Access-Control-Allow-Methods", methods)
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Content-Encoding, X-Retry-Count, X-Strict-Mode")
	h.Set("Access-Control-Max-Age", "600")
	// Chromium asks this before a public page may reach a local server.
	if r.Header.Get("Access-Control-Request-Private-Network") == "true" {
		h.Set("Access-Control-Allow-Private-Network", "true")
	}
	return success()
}

// extend gives a handler d longer than the server's timeouts. Without d there is
// no bound. Writers that have no deadlines are left alone.
func extend(w http.ResponseWriter, d time.Duration) {
	control, until := http.NewResponseController(w), time.Time{}
	if d > 0 {
		until = time.Now().Add(d + writeTimeout)
	}
	// An expired read deadline would cancel the request's context.
	err := errors.Join(control.SetReadDeadline(until), control.SetWriteDeadline(until))
	_ = err // a writer without deadlines needs none
}
