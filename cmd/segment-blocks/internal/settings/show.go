package settings

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/aacflow/segment-blocks/segment/tracking"
)

// Value is a setting as it is in force, fit to be shown.
type Value struct {
	Key string `json:"key"`
	// Value is what it is set to; a write key is shown as its fingerprint.
	Value any `json:"value"`
	// Origin is default, or file, environment or flag with what it is called there.
	Origin string `json:"origin"`
}

// Values returns every setting in force: those of the table in its order, then those of the sources, sorted by name.
func (s *Settings) Values() []Value {
	var values []Value
	for _, setting := range Table() {
		values = append(values, Value{setting.Key, s.merged.Get(setting.Key), or(s.origins[setting.Key], "default")})
	}
	for _, name := range s.Names() {
		at := "sources." + name + "."
		for _, setting := range SourceTable() {
			key := at + strings.TrimPrefix(setting.Key, "sources.NAME.")
			origin, set := s.origins[key]
			if !set || strings.HasSuffix(key, ".writeKey") {
				continue
			}
			value := s.merged.Get(key)
			switch setting.Key {
			case "sources.NAME.endpoint":
				value = s.shownEndpoint(s.Sources[name], fmt.Sprint(value))
			case "sources.NAME.writeKeyEnv", "sources.NAME.writeKeyFile":
				value = hidePath(fmt.Sprint(value))
			}
			values = append(values, Value{key, value, origin})
		}
		values = append(values, s.keyValue(s.Sources[name], at+"writeKey"))
		if !s.merged.Exists(at+"region") && !s.merged.Exists(at+"endpoint") {
			values = append(values, Value{at + "region", "us", "default"})
		}
	}
	return values
}

// shownEndpoint leaves out of an endpoint what somebody may have put into it by mistake: a user and password, and the write key.
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

// keyValue shows a write key by its fingerprint, wherever the key itself is.
func (s *Settings) keyValue(source Source, at string) Value {
	key, origin, err := s.Key(source)
	if err != nil {
		return Value{at, nil, "not set"}
	}
	return Value{at, key.Fingerprint(), origin}
}

// Origin says where the value of a setting came from.
func (s *Settings) Origin(key string) string { return s.origins[key] }

// String keeps a Settings that is printed by mistake from giving a key away.
func (s *Settings) String() string { return fmt.Sprintf("settings with sources %v", s.Names()) }
