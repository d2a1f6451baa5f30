package emulator

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aacflow/segment-blocks/internal/isotime"
	"github.com/aacflow/segment-blocks/rawjson"
)

// The event whose consent object Segment validates.
// Segment docs: Consent in Unify.
const consentEvent = "Segment Consent Preference Updated"

var messageTypes = [...]string{"alias", "group", "identify", "page", "screen", "track"}

func isMessageType(t string) bool { return slices.Contains(messageTypes[:], t) }

// A message is one message of a request, and what was found in it.
type message struct {
	raw   json.RawMessage // without write keys; it shares no memory with the body
	obj   rawjson.Object  // nil when it is not an object
	index int             // in its batch
	at    string          // JSON Pointer in the body
	size  int             // in bytes, as it was sent
	key   string          // the write key it was sent with

	problems []Problem
	notes    []string
}

// refuse adds a problem at pointer, which is within the message.
func (m *message) refuse(code, pointer, format string, args ...any) {
	m.problems = append(m.problems, Problem{Code: code, Pointer: m.at + pointer, Text: fmt.Sprintf(format, args...)})
}

func (m *message) note(format string, args ...any) {
	m.notes = append(m.notes, fmt.Sprintf(format, args...))
}

// typeOf returns the type of a message, which is that of its path or, in a batch,
// its own.
func (m *message) typeOf(fromPath string) string {
	raw := get(m.obj, "type")
	switch own, _ := rawjson.Text(raw); {
	case fromPath == "" && raw == nil:
		m.refuse("missing_type", "/type", "must have a type in a batch")
	case fromPath == "" && !isMessageType(own):
		m.refuse("invalid_type", "/type", "must be one of %s: %s", strings.Join(messageTypes[:], ", "), show(raw))
	case fromPath == "":
		return own
	case own != "" && own != fromPath:
		m.note("type is taken from the path: %s", quoted(own))
	}
	return fromPath
}

// check finds everything wrong with a message, and returns its type. fromPath is ""
// in a batch.
func (m *message) check(fromPath string) string {
	typ := m.typeOf(fromPath)
	if typ == "" {
		return ""
	}
	if typ == "alias" {
		m.requireID("userId")
		m.requireID("previousId")
		m.text(idNotString, "anonymousId")
	} else {
		if typ == "group" {
			m.requireID("groupId")
		}
		user, anonymous := m.text(idNotString, "userId"), m.text(idNotString, "anonymousId")
		if !user && !anonymous {
			m.refuse("no_user_anon_id", "", "must have userId or anonymousId")
		}
	}
	switch typ {
	case "track":
		m.event()
		m.object("properties_not_object", "properties")
	case "page", "screen":
		m.text("name_not_string", "name")
		m.text("category_not_string", "category")
		m.object("properties_not_object", "properties")
	case "identify", "group":
		m.object("traits_not_object", "traits")
	}
	// Segment lists no code for these two; its former debug endpoint called them
	// invalid all the same.
	m.object(badRequest, "context")
	m.object(badRequest, "integrations")
	if typ == "track" && m.obj.Text("event") == consentEvent {
		m.consent()
	}
	return typ
}

// text checks a member that must be a non-empty string when it is there, and
// reports whether it is there.
func (m *message) text(code, name string) bool {
	raw := get(m.obj, name)
	if raw != nil && m.obj.Text(name) == "" {
		m.refuse(code, "/"+name, "must be a non-empty string: %s", show(raw))
	}
	return raw != nil
}

func (m *message) requireID(name string) {
	if !m.text(idNotString, name) {
		m.refuse("id_required", "/"+name, "must have %s", name)
	}
}

// kind checks a value that must be of the kind when it is there.
func (m *message) kind(code, pointer string, value json.RawMessage, want rawjson.Kind, words string) {
	if value != nil && rawjson.KindOf(value) != want {
		m.refuse(code, pointer, "must be %s: %s", words, show(value))
	}
}

func (m *message) object(code, name string) {
	m.kind(code, "/"+name, get(m.obj, name), rawjson.ObjectKind, "an object")
}

func (m *message) event() {
	raw := get(m.obj, "event")
	switch name, isString := rawjson.Text(raw); {
	case raw == nil:
		m.refuse("event_not_defined", "/event", "must have an event")
	case !isString:
		m.refuse("event_not_string", "/event", "must be a string: %s", show(raw))
	case name == "":
		m.refuse("event_not_defined", "/event", `must not be empty: ""`)
	}
}

func (m *message) consent() {
	context := rawjson.OpenObject(get(m.obj, "context"))
	consent := rawjson.OpenObject(get(context, "consent"))
	preferences := get(consent, "categoryPreferences")
	const at = "/context/consent/categoryPreferences"
	if preferences == nil {
		m.refuse("consent_categorypreferences_should_exist", at, "must have context.consent.categoryPreferences")
	}
	m.kind("consent_categorypreferences_fields_should_be_object", at, preferences, rawjson.ObjectKind, "an object")
	for _, p := range rawjson.OpenObject(preferences) {
		if len(m.problems) >= maxProblems {
			break
		}
		m.kind("consent_categorypreferences_fields_should_be_bool", rawjson.Pointer(at, p.Name),
			p.Value, rawjson.BooleanKind, "true or false")
	}
	advertisingID := get(rawjson.OpenObject(get(context, "device")), "advertisingId")
	m.kind("device_advertisingid_should_be_string", "/context/device/advertisingId",
		advertisingID, rawjson.StringKind, "a string")
	m.kind("consent_version_should_be_number", "/context/consent/version",
		get(consent, "version"), rawjson.NumberKind, "a number")
}

// messageID returns the message's own id, or "" with a note when it cannot be
// used.
func (m *message) messageID() string {
	raw, id := get(m.obj, "messageId"), m.obj.Text("messageId")
	switch length := utf8.RuneCountInString(id); {
	case raw != nil && id == "":
		m.note("messageId must be a non-empty string, another was minted: %s", show(raw))
	case length >= maxMessageIDLength:
		m.note("messageId must be under %d characters: %d", maxMessageIDLength, length)
	}
	return id
}

// instant reads a timestamp of the message, or of its batch when the message has
// none; zero, with a note, when it cannot be read.
func (m *message) instant(name string, batch rawjson.Object) time.Time {
	raw := get(m.obj, name)
	if raw == nil {
		raw = get(batch, name)
	}
	if raw == nil {
		return time.Time{}
	}
	text, _ := rawjson.Text(raw)
	t, err := isotime.Parse(text)
	if err != nil {
		m.note("%s must be an ISO 8601 date and time, it was not used: %s", name, show(raw))
	}
	return t
}

// effective corrects the time a message happened for the client's clock.
// Segment spec: Common Fields, timestamps.
func effective(received, sent, original time.Time) time.Time {
	switch {
	case original.IsZero():
		return received
	case sent.IsZero():
		return original
	}
	skew := sent.Sub(original)
	if skew == math.MinInt64 || skew == math.MaxInt64 {
		// Centuries apart, beyond what a Duration holds: this is no clock's fault.
		return original
	}
	return received.Add(-skew)
}
