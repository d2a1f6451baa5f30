package emulator

import (
	"fmt"
	"maps"
	"net"
	"net/http"
	"strconv"
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

func ok(body []byte) answer { return answer{status: http.StatusOK, body: body} }

func success() answer { return ok([]byte(successBody)) }

// A refusal turns a whole request down, with the status of mode Strict.
type refusal struct {
	status  int
	code    string
	pointer string
	text    string
}

// refused is a refusal of what cannot be read, or is over a limit.
func refused(status int, format string, args ...any) *refusal {
	return &refusal{status, badRequest, "", fmt.Sprintf(format, args...)}
}

func (r refusal) answer(problems ...Problem) answer {
	return answer{status: r.status, body: appendValue(nil, struct {
		Success  bool      `json:"success"`
		Code     string    `json:"code"`
		Message  string    `json:"message"`
		Problems []Problem `json:"problems,omitempty"`
	}{false, r.code, r.text, problems})}
}

func methodNotAllowed(method, allow string) answer {
	a := refusal{405, "method_not_allowed", "", "method must be " + allow + ": " + method}.answer()
	a.header = http.Header{"Allow": {allow}}
	return a
}

func notFound(text string) answer {
	return refusal{http.StatusNotFound, "not_found", "", text}.answer()
}

func (a answer) write(w http.ResponseWriter) {
	if a.cut {
		cut(w)
		return
	}
	h := w.Header()
	jsonHeader(h)
	maps.Copy(h, a.header)
	if a.status != http.StatusNoContent && a.status != http.StatusNotModified {
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
