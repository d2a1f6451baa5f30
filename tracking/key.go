package tracking

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// WriteKey is the credential of a source. It never prints itself: whatever formats, logs or marshals it gets its
// [WriteKey.Fingerprint]. The key itself takes a conversion, string(key).
type WriteKey string

// Fingerprint names the key without giving it away: "key:" and the first 8 hex digits of its SHA-256, or "key:none".
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

// Format writes the fingerprint whatever the verb, since %x and %d would otherwise reach the key's bytes.
func (k WriteKey) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.Fingerprint()) }

// MarshalText returns the fingerprint, which is what JSON and YAML then hold.
func (k WriteKey) MarshalText() ([]byte, error) { return []byte(k.Fingerprint()), nil }

// LogValue returns the fingerprint.
func (k WriteKey) LogValue() slog.Value { return slog.StringValue(k.Fingerprint()) }

// authorization is the header value that carries the key: Basic, with an empty password. The key goes nowhere else.
// Segment takes it in the body too, but bodies end up in previews, dumps and captures, and every compatible
// receiver reads the header.
func (k WriteKey) authorization() string { return "Basic " + k.basic() }

func (k WriteKey) basic() string { return base64.StdEncoding.EncodeToString([]byte(k + ":")) }

// secrets lists the forms in which the key could turn up in a text, the longest first.
func (k WriteKey) secrets() []string {
	if k == "" {
		return nil
	}
	return []string{k.basic(), base64.StdEncoding.EncodeToString([]byte(k)), string(k)}
}

// scrub replaces the key by its fingerprint wherever it stands in text.
func (k WriteKey) scrub(text string) string {
	for _, secret := range k.secrets() {
		if strings.Contains(text, secret) {
			text = strings.ReplaceAll(text, secret, k.Fingerprint())
		}
	}
	return text
}
