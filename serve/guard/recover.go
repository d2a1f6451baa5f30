package guard

import (
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"runtime/debug"
)

// recovered answers a panic with a problem that tells nothing of it. If an answer has begun it cuts
// the connection, so that half an answer does not pass for a whole one.
func (g *Guard) recovered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer g.rescue(w, r)
		next.ServeHTTP(w, r)
	})
}

func (g *Guard) rescue(w http.ResponseWriter, r *http.Request) {
	p := recover()
	if p == nil {
		return
	}
	if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(p)
	}
	g.cfg.Logger.ErrorContext(r.Context(), "handler panicked",
		"requestId", RequestID(r.Context()), "panic", describe(p), "stack", string(debug.Stack()))
	if rec, ok := w.(*recorder); ok && rec.status != 0 {
		panic(http.ErrAbortHandler)
	}
	clear(w.Header())
	w.Header().Set(requestIDHeader, RequestID(r.Context()))
	w.Header().Set("X-Content-Type-Options", "nosniff")
	Problem{
		Status: http.StatusInternalServerError, Code: "internal",
		Detail: "the server failed; its log has more under the request id",
	}.Write(w, r)
}

// describe returns what the log may say about a panic. The value of a panic may quote the request,
// unless the panic is Go's own.
func describe(p any) string {
	if err, ok := p.(runtime.Error); ok {
		return err.Error()
	}
	return fmt.Sprintf("a %T", p)
}
