package settings

import (
	"cmp"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"unicode"

	"github.com/aacflow/segment-blocks/segment/tracking"
)

// Value is a setting in force, in a form that may be shown.
type Value struct {
	Key string `json:"key"`
	// Value is what it is set to. A write key is shown as its fingerprint.
	Value any `json:"value"`
	// Origin is default, or file, environment or flag and a name.
	Origin string `json:"origin"`
}

// Values returns every setting in force: first those of the table, in its order, then those of the
// sources, sorted by name.
func (s *Settings) Values() []Value {
	var values []Value
	for _, setting := range Table() {
		values = append(values, Value{setting.Key, s.values[setting.Key], cmp.Or(s.origins[setting.Key], "default")})
	}
	for _, name := range s.Names() {
		at := "sources." + name + "."
		for _, setting := range SourceTable() {
			key := at + strings.TrimPrefix(setting.Key, "sources.NAME.")
			origin, set := s.origins[key]
			if !set || strings.HasSuffix(key, ".writeKey") {
				continue // the key is added below, wherever it comes from
			}
			value := s.values[key]
			switch setting.Key {
			case "sources.NAME.endpoint":
				value = s.shownEndpoint(s.Sources[name], fmt.Sprint(value))
			case "sources.NAME.writeKeyEnv", "sources.NAME.writeKeyFile":
				value = hidePath(fmt.Sprint(value))
			}
			values = append(values, Value{key, value, origin})
		}
		shown := Value{at + "writeKey", nil, "not set"}
		if key, origin, err := s.Key(s.Sources[name]); err == nil {
			shown.Value, shown.Origin = key.Fingerprint(), origin
		}
		values = append(values, shown)
		if s.values[at+"region"] == nil && s.values[at+"endpoint"] == nil {
			values = append(values, Value{at + "region", "us", "default"})
		}
	}
	return values
}

// shownEndpoint removes from an endpoint what somebody may have put into it by mistake: a user, a
// password and the write key.
func (s *Settings) shownEndpoint(source Source, endpoint string) string {
	if u, err := url.Parse(endpoint); err != nil || u.User != nil || u.RawQuery != "" {
		return "(not shown: it holds more than a host and a path)"
	}
	if key, _, err := s.Key(source); err == nil {
		for _, secret := range (tracking.Source{WriteKey: key}).Secrets() {
			endpoint = strings.ReplaceAll(endpoint, secret, key.Fingerprint())
		}
	}
	return endpoint
}

// Origin says where the value of a setting came from.
func (s *Settings) Origin(key string) string { return s.origins[key] }

// String keeps a Settings that is printed by mistake from showing a key.
func (s *Settings) String() string { return fmt.Sprintf("settings with sources %v", s.Names()) }

// hide replaces what looks like a key in a text. A key that was pasted where a name belongs must
// not reach a log with an error. Long words that mix digits or cases are taken for keys; ordinary
// names and paths stay readable.
func hide(text string) string {
	return regexp.MustCompile(`[A-Za-z0-9]{12,}`).ReplaceAllStringFunc(text, func(word string) string {
		digits := strings.ContainsFunc(word, unicode.IsDigit)
		mixed := strings.ToLower(word) != word && strings.ToUpper(word) != word
		if digits || mixed && len(word) >= 16 || len(word) >= 24 {
			return "(not shown: it looks like a key)"
		}
		return word
	})
}

// hidePath does the same for what should be a path. What has a folder or an extension is one.
func hidePath(path string) string {
	if strings.ContainsAny(path, `/\.`) {
		return path
	}
	return hide(path)
}
