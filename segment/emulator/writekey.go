package emulator

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"iter"
	"net/http"
	"slices"
	"strings"

	"github.com/aacflow/segment-blocks/rawjson"
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

// plausible reports whether a key could be one: it is neither empty nor very short,
// and holds nothing a key could not.
func (c *config) plausible(key string) bool {
	return slices.Contains(c.keys, key) ||
		len(key) >= minWriteKeyLength && len(key) <= maxWriteKey && !strings.ContainsFunc(key, notKeyRune)
}

// known reports whether a source has the key.
func (c *config) known(key string) bool {
	return slices.Contains(c.keys, key) || len(c.keys) == 0 && c.plausible(key)
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
	out := h.Clone()
	for name, values := range out {
		for i, v := range values {
			values[i] = secrets.replace(v)
			if slices.Contains(secretHeaders[:], name) {
				values[i] = redactCredential(name, values[i])
			}
		}
	}
	return out
}

func redactCredential(name, value string) string {
	scheme, rest, ok := strings.Cut(value, " ")
	if !ok || !strings.HasSuffix(name, "Authorization") {
		return redacted(value)
	}
	if strings.EqualFold(scheme, "Basic") {
		// The key's own fingerprint, so that it can be compared with an event's.
		rest = cmp.Or(keyFromHeader(http.Header{"Authorization": {value}}), rest)
	}
	return scheme + " " + redacted(rest)
}

// secrets are the write keys met in a request, to be taken out of whatever is kept
// of it.
type secrets struct {
	keys     []string          // sorted
	replacer *strings.Replacer // of the keys; nil until it is needed
}

// add notes a key. Shorter ones are not looked for elsewhere: "test" as a key
// would eat half the words of a message. Nor are longer ones, which are no keys:
// the time to look for them grows with their length.
func (s *secrets) add(key string) {
	i, known := slices.BinarySearch(s.keys, key)
	if !known && len(key) >= minWriteKeyLength && len(key) <= maxWriteKey && len(s.keys) < maxSecrets {
		s.keys, s.replacer = slices.Insert(s.keys, i, key), nil
	}
}

// replace puts fingerprints in the place of the keys, in one pass: what stands for
// one key is not searched for another.
func (s *secrets) replace(text string) string {
	if len(s.keys) == 0 {
		return text
	}
	if s.replacer == nil {
		var pairs []string
		// At one place the first pair that fits wins, so the longest comes first.
		for _, key := range slices.Backward(s.keys) {
			pairs = append(pairs, key, redacted(key))
		}
		s.replacer = strings.NewReplacer(pairs...)
	}
	return s.replacer.Replace(text)
}

// scrub returns a body without write keys: those met before, and those of any
// member "writeKey", wherever they stand. Of JSON only strings are changed, so
// that it stays JSON. Its time and its result grow with the body, however many
// keys there are.
func (s *secrets) scrub(body []byte, isJSON bool) []byte {
	whole := string(body)
	for p := range parts(whole) {
		if p.isKey {
			s.add(p.decoded())
		}
	}
	out := make([]byte, 0, len(whole))
	for p := range parts(whole) {
		switch {
		case p.isKey:
			out = append(append(append(out, '"'), redacted(p.decoded())...), '"')
		case p.quoted:
			text := p.decoded()
			if clean := s.replace(text); clean != text {
				out = rawjson.AppendText(out, clean)
			} else {
				out = append(out, p.text...)
			}
		case isJSON:
			out = append(out, p.text...)
		default:
			out = append(out, s.replace(p.text)...)
		}
	}
	return out
}

// A part of a text is a string as JSON has it, with its quotes, or all that stands
// between two strings.
type part struct {
	text   string
	quoted bool
	isKey  bool // the value of a member "writeKey"
}

// decoded is the value of a string, or the text between its quotes when it is not valid.
func (p part) decoded() string {
	if strings.Contains(p.text, `\`) {
		if text, ok := rawjson.Text([]byte(p.text)); ok {
			return text
		}
	}
	return strings.Trim(p.text, `"`)
}

// parts splits a text that is JSON or was meant to be. A string that does not end
// goes to the end of the text.
func parts(text string) iter.Seq[part] {
	return func(yield func(part) bool) {
		named := false // the last string was "writeKey"
		for text != "" {
			p := part{text: text, quoted: text[0] == '"'}
			if p.quoted {
				p.text = text[:stringEnd(text)]
				p.isKey = named
				named = !named && (p.text == `"writeKey"` || strings.Contains(p.text, `\`) && p.decoded() == "writeKey")
			} else {
				if end := strings.IndexByte(text, '"'); end >= 0 {
					p.text = text[:end]
				}
				named = named && strings.TrimSpace(p.text) == ":"
			}
			if !yield(p) {
				return
			}
			text = text[len(p.text):]
		}
	}
}

// stringEnd is where the string that text begins with ends.
func stringEnd(text string) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(text)
}
