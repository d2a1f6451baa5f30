package guard

import (
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/aacflow/segment-blocks/internal/text"
)

// logged writes a line for each request. It leaves out queries, headers and bodies, which may hold
// secrets.
func (g *Guard) logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begin := time.Now()
		rec := &recorder{ResponseWriter: w, controller: http.NewResponseController(w), timeout: g.cfg.WriteTimeout}
		if !g.cfg.Quiet {
			defer g.log(r, rec, begin)
		}
		next.ServeHTTP(rec, r)
	})
}

func (g *Guard) log(r *http.Request, rec *recorder, begin time.Time) {
	level := slog.LevelInfo
	if rec.status >= http.StatusInternalServerError {
		level = slog.LevelWarn
	}
	remote, _, _ := strings.Cut(clientOf(r.RemoteAddr).String(), "/")
	g.cfg.Logger.LogAttrs(r.Context(), level, "request",
		slog.String("requestId", RequestID(r.Context())), slog.String("method", r.Method),
		slog.String("path", text.Clip(r.URL.Path, 200)), slog.Int("status", rec.status),
		slog.Int64("bytes", rec.bytes), slog.Duration("duration", time.Since(begin)), slog.String("client", remote))
}

// recorder notes the status and size of an answer, and gives each write a deadline of its own, so
// that a client that does not read its answer is cut off.
type recorder struct {
	http.ResponseWriter
	controller *http.ResponseController
	timeout    time.Duration
	status     int
	bytes      int64
}

// Unwrap is for http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// WriteHeader notes the status. A status of 1xx is not the answer yet.
func (r *recorder) WriteHeader(status int) {
	if r.status == 0 && status >= http.StatusOK {
		r.status = status
	}
	r.extend()
	r.ResponseWriter.WriteHeader(status)
}

// Write counts what is written.
func (r *recorder) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	r.extend()
	n, err := r.ResponseWriter.Write(p)
	r.bytes += int64(n)
	return n, err
}

// Flush is for streams.
func (r *recorder) Flush() {
	r.extend()
	_ = r.controller.Flush()
}

func (r *recorder) extend() {
	_ = r.controller.SetWriteDeadline(time.Now().Add(r.timeout)) // fails only where there is no connection
}
