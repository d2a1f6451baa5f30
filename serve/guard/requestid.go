package guard

import (
	"context"
	"net/http"
	"strings"

	"github.com/google/uuid"
)

const requestIDHeader = "X-Request-Id"

type requestIDKey struct{}

// RequestID returns the id of the request that a context belongs to, or "" where [Identify] has not seen it.
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// Identify gives each request an id, and the answer the header X-Request-Id with it: the request's own where it sends one of at
// most 64 letters, digits, dots, underscores and hyphens, else a random one. A request that has an id keeps it. [Guard.Wrap]
// includes it.
func Identify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if RequestID(r.Context()) == "" {
			id := r.Header.Get(requestIDHeader)
			if !saneID(id) {
				id = uuid.NewString()
			}
			w.Header().Set(requestIDHeader, id)
			r = r.WithContext(context.WithValue(r.Context(), requestIDKey{}, id))
		}
		next.ServeHTTP(w, r)
	})
}

// saneID keeps out what could forge a log line or is no URI reference.
func saneID(id string) bool {
	return id != "" && len(id) <= 64 && strings.IndexFunc(id, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.'
	}) < 0
}
