package emulator

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// Fingerprint names a write key without telling it: the first eight hex digits
// of its SHA-256, as events carry it. It is "" for an empty key.
func Fingerprint(writeKey string) string {
	if writeKey == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(writeKey))
	return hex.EncodeToString(sum[:4])
}

// redacted stands where a secret was.
func redacted(secret string) string { return "sha256:" + Fingerprint(secret) }

// A verdict is what the emulator thinks of a write key.
type verdict int

const (
	keyKnown verdict = iota
	keyUnknown
	keyImplausible // empty, very short, or nothing a key could be
)

func (c *config) judge(key string) verdict {
	switch {
	case slices.Contains(c.keys, key):
		return keyKnown
	case len(key) < MinWriteKeyLength || len(key) > maxWriteKey || strings.ContainsFunc(key, notKeyRune):
		return keyImplausible
	case len(c.keys) > 0:
		return keyUnknown
	default:
		return keyKnown
	}
}

func notKeyRune(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' }

// keyFromHeader reads the write key that Basic authentication carries as the
// user name. A Bearer token is not a write key: with OAuth the key stays in the
// body. Segment HTTP API: authentication.
func keyFromHeader(h http.Header) string {
	user, _, _ := (&http.Request{Header: h}).BasicAuth()
	return user
}

// secretHeaders carry credentials under any name a client may choose.
var secretHeaders = [...]string{"Authorization", "Proxy-Authorization", "Cookie", "X-Write-Key", "X-Api-Key"}

// redactHeader returns a copy of h fit to be shown.
func redactHeader(h http.Header, secrets *secrets) http.Header {
	out := make(http.Header, len(h))
	for name, values := range h {
		for _, v := range values {
			out[name] = append(out[name], secrets.scrubText(v))
		}
	}
	for _, name := range secretHeaders {
		for i, v := range out[name] {
			scheme, rest, ok := strings.Cut(v, " ")
			switch {
			case !ok || strings.HasSuffix(name, "Key") || name == "Cookie":
				out[name][i] = redacted(v)
			case strings.EqualFold(scheme, "Basic"):
				// The key's own fingerprint, so that it can be compared with an event's.
				key := keyFromHeader(http.Header{"Authorization": h[name][i : i+1]})
				if key == "" {
					key = rest
				}
				out[name][i] = scheme + " " + redacted(key)
			default:
				out[name][i] = scheme + " " + redacted(rest)
			}
		}
	}
	return out
}

// secrets collects the write keys met in a request, to take them out of
// whatever is kept of it.
type secrets struct{ keys []string }

func (s *secrets) add(key string) {
	if key != "" && !slices.Contains(s.keys, key) {
		s.keys = append(s.keys, key)
	}
}

// writeKeyMember finds the member in any text that looks like JSON, whole or
// not, so that even a body that does not parse is kept without its key.
var writeKeyMember = regexp.MustCompile(`("writeKey"\s*:\s*")((?:[^"\\]|\\.)*)`)

// scrub returns b without write keys. It is b itself when there were none.
func (s *secrets) scrub(b []byte) []byte {
	if bytes.Contains(b, []byte(`"writeKey"`)) {
		b = writeKeyMember.ReplaceAllFunc(b, func(match []byte) []byte {
			parts := writeKeyMember.FindSubmatch(match)
			key := string(parts[2])
			if decoded, ok := unquote([]byte(`"` + key + `"`)); ok {
				key = decoded
			}
			return append(bytes.Clone(parts[1]), redacted(key)...)
		})
	}
	// A key is also taken out of wherever else it stands. Shorter ones are not:
	// "test" as a key would eat half the words of a message.
	for _, key := range s.keys {
		if len(key) >= MinWriteKeyLength && bytes.Contains(b, []byte(key)) {
			b = bytes.ReplaceAll(b, []byte(key), []byte(redacted(key)))
		}
	}
	return b
}

func (s *secrets) scrubText(t string) string {
	found := strings.Contains(t, `"writeKey"`)
	for _, key := range s.keys {
		found = found || strings.Contains(t, key)
	}
	if !found {
		return t
	}
	return string(s.scrub([]byte(t)))
}
