package rest

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/google/uuid"
)

const keyHeader = "Idempotency-Key"

// idempotencyKey is what a client calls an invocation.
type idempotencyKey string

// keyOf returns the key of a request, or a random one and that it is. The draft of the header wants it quoted, most clients send it bare: both mean
// the same.
func keyOf(r *http.Request) (key idempotencyKey, random bool, _ *Problem) {
	values := r.Header.Values(keyHeader)
	if len(values) == 0 {
		return idempotencyKey(uuid.NewString()), true, nil
	}
	text := values[0]
	if inner, ok := strings.CutPrefix(text, `"`); ok && strings.HasSuffix(inner, `"`) {
		text = strings.TrimSuffix(inner, `"`)
	}
	odd := func(c rune) bool { return c <= ' ' || c > '~' || c == '"' }
	if len(values) > 1 || text == "" || len(text) > 255 || strings.IndexFunc(text, odd) >= 0 {
		return "", false, badRequest("the header Idempotency-Key must be there once, with 1 to 255 visible ASCII characters and no quotes inside", 0)
	}
	return idempotencyKey(text), false, nil
}

// invocationID keeps apart the same key of two blocks or two sources. The source is escaped so that no two join into the same.
func (k idempotencyKey) invocationID(block, source string) string {
	return "rest/" + block + "/" + url.PathEscape(source) + "/" + string(k)
}

func keyReused() *Problem {
	return fault{
		http.StatusUnprocessableEntity, codeKeyReused,
		"the Idempotency-Key has been used for another input; nothing was sent, since the receiver would drop it as a duplicate",
	}.problem()
}
