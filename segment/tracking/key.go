package tracking

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"html"
	"io"
	"log/slog"
	"strconv"
	"strings"
)

// WriteKey is the credential of a source. It never prints itself: formatting, logging or
// marshalling it gives its [WriteKey.Fingerprint]. To get the key, convert it: string(key).
type WriteKey string

// Fingerprint identifies the key without revealing it: "key:" and the first 8 hex digits of its
// SHA-256, or "key:none".
func (k WriteKey) Fingerprint() string {
	if k == "" {
		return "key:none"
	}
	sum := sha256.Sum256([]byte(k))
	return "key:" + hex.EncodeToString(sum[:4])
}

// String returns the fingerprint.
func (k WriteKey) String() string { return k.Fingerprint() }

// GoString returns the fingerprint, for %#v.
func (k WriteKey) GoString() string { return k.Fingerprint() }

// Format writes the fingerprint for every verb, because %x and %d would otherwise reach the key's
// bytes.
func (k WriteKey) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.Fingerprint()) }

// MarshalText returns the fingerprint, for JSON and YAML.
func (k WriteKey) MarshalText() ([]byte, error) { return []byte(k.Fingerprint()), nil }

// LogValue returns the fingerprint.
func (k WriteKey) LogValue() slog.Value { return slog.StringValue(k.Fingerprint()) }

// LooksLikeSegments reports whether k has the form of a key that Segment issues.
func (k WriteKey) LooksLikeSegments() bool {
	return len(k) == 32 && strings.IndexFunc(string(k), func(r rune) bool { return alphanumeric(r) < 0 }) < 0
}

// authorization is the header value with the key: Basic, with an empty password. The key goes
// nowhere else. Segment also accepts it in the body, but bodies end up in previews, dumps and
// captures, and every compatible receiver reads the header.
func (k WriteKey) authorization() string {
	pair := append(append(make([]byte, 0, 64), k...), ':')
	return string(base64.StdEncoding.AppendEncode(append(make([]byte, 0, 128), basic...), pair))
}

const basic = "Basic "

// secrets lists the forms of the key that may appear in a text, longest first.
func (k WriteKey) secrets() []string {
	if k == "" {
		return nil
	}
	encoded := base64.StdEncoding.EncodeToString([]byte(k))
	return []string{strings.TrimPrefix(k.authorization(), basic), encoded, string(k)}
}

// minKeyLength is the shortest accepted length. Removing a shorter key would damage texts that
// contain the same letters by chance.
const minKeyLength = 8

// notShown replaces a text that holds the key in a form that cannot be cut out.
const notShown = "(not shown: it holds the write key)"

// scrub returns a text that is safe to show. It replaces the key with its fingerprint. A text that
// holds the key in disguise, such as percent-encoded or broken over lines, is not shown at all.
func (k WriteKey) scrub(text string) string {
	for _, secret := range k.secrets() {
		text = strings.ReplaceAll(text, secret, k.Fingerprint())
	}
	if k.disguisedIn(text) {
		return notShown
	}
	return text
}

// disguisedIn reports whether a text holds the key in any case, with any punctuation and white
// space between, with escapes of URLs, JSON, HTML or mail, in base64, or in hex.
func (k WriteKey) disguisedIn(text string) bool {
	if len(lettersAndDigits(string(k))) < minKeyLength {
		return false
	}
	forms := []string{string(k), hex.EncodeToString([]byte(k))}
	for before := range 3 { // base64 depends on what stands before the key
		encoded := base64.RawStdEncoding.EncodeToString([]byte("\x00\x00"[:before] + string(k)))
		forms = append(forms, encoded[(before*8+5)/6:(before+len(k))*8/6])
	}
	for i := range forms {
		forms[i] = lettersAndDigits(forms[i])
	}
	for range 3 { // what is escaped may have been escaped again
		plain := lettersAndDigits(text)
		for _, form := range forms {
			if strings.Contains(plain, form) {
				return true
			}
		}
		decoded := unescape(text)
		if decoded == text {
			break
		}
		text = decoded
	}
	return false
}

func lettersAndDigits(text string) string {
	return strings.Map(alphanumeric, text)
}

// alphanumeric returns an ASCII letter in lower case or a digit, and -1 for any other character.
func alphanumeric(r rune) rune {
	switch {
	case r >= '0' && r <= '9', r >= 'a' && r <= 'z':
		return r
	case r >= 'A' && r <= 'Z':
		return r + 'a' - 'A'
	}
	return -1
}

// unescape decodes %41, =41, \x41, \u0041 and &#65;, and turns \n and the like into spaces.
func unescape(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		start, digits := 1, 2
		switch rest := text[i:]; {
		case strings.HasPrefix(rest, `\u`):
			start, digits = 2, 4
		case strings.HasPrefix(rest, `\x`):
			start = 2
		case len(rest) > 1 && rest[0] == '\\' && strings.IndexByte("bfnrt", rest[1]) >= 0:
			b.WriteByte(' ')
			i++
			continue
		case rest[0] != '%' && rest[0] != '=':
			digits = 0
		}
		if end := i + start + digits; digits > 0 && end <= len(text) {
			if char, err := strconv.ParseUint(text[i+start:end], 16, 16); err == nil {
				b.WriteRune(rune(char))
				i = end - 1
				continue
			}
		}
		b.WriteByte(text[i])
	}
	return html.UnescapeString(b.String())
}
