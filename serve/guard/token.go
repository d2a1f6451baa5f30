package guard

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net/http"
	"strings"
)

const minToken = 16

// ErrToken means that a token of the configuration is too short, or cannot be sent in a header.
var ErrToken = fmt.Errorf("a token must have at least %d characters, all of them visible ASCII", minToken)

// tokens holds digests, so that comparing takes the same time whatever the length of the token
// sent.
type tokens [][sha256.Size]byte

func newTokens(list []string) (tokens, error) {
	var out tokens
	for _, token := range list {
		// The token itself does not belong in an error.
		if len(token) < minToken || strings.IndexFunc(token, func(c rune) bool { return c <= ' ' || c > '~' }) >= 0 {
			return nil, ErrToken
		}
		out = append(out, sha256.Sum256([]byte(token)))
	}
	return out, nil
}

// check demands "Authorization: Bearer TOKEN". No other header is accepted: it would have to be
// kept out of every log and dump as well, and all known hosts can set this one.
func (t tokens) check(r *http.Request) *Problem {
	if len(t) == 0 {
		return nil
	}
	scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if strings.EqualFold(scheme, "Bearer") {
		digest := sha256.Sum256([]byte(strings.TrimSpace(given)))
		known := 0
		for i := range t {
			known |= subtle.ConstantTimeCompare(digest[:], t[i][:])
		}
		if known == 1 {
			return nil
		}
	}
	return &Problem{
		Status: http.StatusUnauthorized, Code: "unauthenticated",
		Detail: "this server must be given its token: Authorization: Bearer …",
	}
}
