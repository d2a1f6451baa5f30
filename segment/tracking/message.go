package tracking

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/aacflow/segment-blocks/rawjson"
)

// Type is one of Segment's calls.
type Type string

// Segment's message types.
const (
	Track    Type = "track"
	Identify Type = "identify"
	Page     Type = "page"
	Screen   Type = "screen"
	Group    Type = "group"
	Alias    Type = "alias"
)

// Types lists the message types, sorted. A batch may contain all of them.
func Types() []Type { return []Type{Alias, Group, Identify, Page, Screen, Track} }

// Path returns the path for a single message of this type, below [Source.URL].
func (t Type) Path() string { return "/v1/" + string(t) }

// Valid reports whether Segment knows t.
func (t Type) Valid() bool { return slices.Contains(Types(), t) }

// BatchPath is the path for batches, below [Source.URL].
const BatchPath = "/v1/batch"

// Limits of the API. Segment documents "32KB" and "500KB" without saying whether K is 1000 or 1024,
// and counts the whole request; these are the safe readings that its own libraries use. They apply
// to the bytes as sent.
const (
	// MaxMessageBytes is the largest message, in bytes: an item of a batch in the body, or the body
	// of a single message.
	MaxMessageBytes = 32_000
	// MaxBodyBytes is the largest body of a batch, in bytes, everything included.
	MaxBodyBytes = 475_000
	// MaxBatchMessages is how many messages one request may carry. [Client.Send] splits longer
	// lists.
	MaxBatchMessages = 2500
	// MaxMessageIDLength is the longest messageId, in characters: Segment wants fewer than 100.
	MaxMessageIDLength = 99
)

// Message is one Segment call: a type and its fields. It is immutable.
type Message struct {
	typ    Type
	fields rawjson.Object
}

// NewMessage returns a message of type t with the fields of Segment's spec (userId, event,
// properties, context, …). If t is empty, the field "type" gives the type, as in an item of a
// batch.
//
// The values must come from [rawjson.ParseObject] or [rawjson.Encode], which check their syntax.
// They are sent exactly as written, and must not change until the sending call returns. That call
// also checks whether Segment accepts them, for all messages at once.
func NewMessage(t Type, fields rawjson.Object) Message {
	if t == "" {
		t = typeIn(fields)
	}
	return Message{typ: t, fields: fields}
}

// typeIn returns the type in the fields, known or not, or "".
func typeIn(fields rawjson.Object) Type {
	raw, _ := fields.Get("type")
	raw = unescaped(raw)
	for _, t := range Types() { // the usual ones without a copy
		if says(raw, string(t)) {
			return t
		}
	}
	text, _ := rawjson.Text(raw)
	return Type(text)
}

// unescaped returns a JSON string in its canonical form, without needless escapes, and mostly
// without a copy.
func unescaped(value json.RawMessage) json.RawMessage {
	if bytes.IndexByte(value, '\\') < 0 {
		return value
	}
	text, _ := rawjson.Text(value)
	return rawjson.Quote(text)
}

// says reports whether an unescaped value is a JSON string of this text.
func says(value json.RawMessage, text string) bool {
	return len(value) == len(text)+2 && value[0] == '"' && string(value[1:len(value)-1]) == text
}

// Type returns the message's type, which may be one that Segment does not know.
func (m Message) Type() Type { return m.typ }

// Fields returns the message's fields. Do not change them.
func (m Message) Fields() rawjson.Object { return m.fields }

// appendUserIDs appends the ids of the user in these fields. A user's userId may be another
// message's previousId, so all ids share one namespace.
func appendUserIDs(ids [][]byte, fields rawjson.Object) [][]byte {
	for _, f := range fields {
		switch f.Name {
		case "userId", "anonymousId", "previousId":
		default:
			continue
		}
		if !roleUserID.absent(f.Value, rawjson.KindOf(f.Value)) {
			ids = append(ids, unescaped(f.Value))
		}
	}
	return ids
}

// role is the meaning of a field in a message of a certain type.
type role uint8

const (
	roleUnknown role = iota
	roleServer       // set by Segment
	roleType
	roleUserID
	roleAnonymousID
	roleGroupID
	rolePreviousID
	roleEvent
	roleText // name and category
	roleMessageID
	roleTimestamp
	roleData // properties and traits
	roleContext
	roleIntegrations
	roleSentAt
	roleWriteKey
)

// Has reports whether messages of type t have a field of this name.
func (t Type) Has(field string) bool {
	r := t.role(field)
	return r != roleUnknown && r != roleServer
}

func (r role) isID() bool { return r >= roleUserID && r <= rolePreviousID }

func (t Type) role(field string) role {
	switch field {
	case "type":
		return roleType
	case "userId":
		return roleUserID
	case "anonymousId":
		return roleAnonymousID
	case "messageId":
		return roleMessageID
	case "timestamp":
		return roleTimestamp
	case "context":
		return roleContext
	case "integrations":
		return roleIntegrations
	case "sentAt":
		return roleSentAt
	case "writeKey":
		return roleWriteKey
	case "receivedAt", "originalTimestamp", "version", "channel", "projectId", "_metadata":
		return roleServer
	case "properties":
		return roleIf(t == Track || t == Page || t == Screen, roleData)
	case "traits":
		return roleIf(t == Identify || t == Group, roleData)
	case "event":
		return roleIf(t == Track, roleEvent)
	case "name", "category":
		return roleIf(t == Page || t == Screen, roleText)
	case "groupId":
		return roleIf(t == Group, roleGroupID)
	case "previousId":
		return roleIf(t == Alias, rolePreviousID)
	}
	return roleUnknown
}

func roleIf(known bool, r role) role {
	if known {
		return r
	}
	return roleUnknown
}

// absent reports whether a field of this role counts as absent. Forms and templates leave "" and
// null where a person left a field empty; Segment would discard such a message.
func (r role) absent(value json.RawMessage, kind rawjson.Kind) bool {
	switch {
	case r.isID(), r == roleEvent, r == roleText, r == roleMessageID, r == roleTimestamp:
		return string(value) == `""` || kind == rawjson.NullKind
	case r >= roleData:
		return kind == rawjson.NullKind
	}
	return false
}

// checkField returns the code and text of a field's fault, or nothing.
func (r role) checkField(name string, value json.RawMessage, kind rawjson.Kind) (code, text string) {
	isText := kind == rawjson.StringKind
	switch {
	case kind == rawjson.Invalid:
		return "invalid_json", "must be a JSON value"
	case r.isID() && !isText:
		return "id_not_string", "must be a string"
	case (r == roleEvent || r == roleText) && !isText:
		return name + "_not_string", "must be a string"
	case r == roleMessageID && !isText:
		return "invalid_message_id", "must be a string"
	case (r == roleData || r == roleContext || r == roleIntegrations) && kind != rawjson.ObjectKind:
		return name + "_not_object", "must be an object"
	// A string is never longer than what it was written with.
	case r == roleMessageID && len(value) > MaxMessageIDLength:
		text, _ := rawjson.Text(value)
		if n := utf8.RuneCountInString(text); n > MaxMessageIDLength {
			return "invalid_message_id", fmt.Sprintf("has %d characters, %d are allowed", n, MaxMessageIDLength)
		}
	}
	return "", ""
}

// isPlaceholder reports whether an id is the text that a host, a template or a script writes for a
// missing value.
func (r role) isPlaceholder(id json.RawMessage) bool {
	if !r.isID() && r != roleMessageID {
		return false
	}
	switch string(unescaped(id)) {
	case `"null"`, `"undefined"`, `"NaN"`, `"[object Object]"`, `"None"`:
		return true
	}
	return false
}

// roles is a set of roles.
type roles uint32

func (s *roles) add(r role) { *s |= 1 << r }

func (s roles) has(r role) bool { return s&(1<<r) != 0 }

// missing reports the fields that Segment needs and a message with these roles lacks.
func (s roles) missing(t Type, refuse func(path, code, text string, value json.RawMessage)) {
	if t == Alias {
		if !s.has(roleUserID) {
			refuse("/userId", "id_required", "must be given: the new id of the person", nil)
		}
		if !s.has(rolePreviousID) {
			refuse("/previousId", "id_required", "must be given: the id that the person had before", nil)
		}
		return
	}
	if t == Track && !s.has(roleEvent) {
		refuse("/event", "event_not_defined", "must be given and not empty", nil)
	}
	if t == Group && !s.has(roleGroupID) {
		refuse("/groupId", "id_required", "must be given and not empty", nil)
	}
	if !s.has(roleUserID) && !s.has(roleAnonymousID) {
		refuse("", "no_user_anon_id", "must have userId or anonymousId", nil)
	}
}

// checkConsent reports the faults for which Segment would discard a consent event, the only event
// whose context it checks. context is the context as sent.
func checkConsent(context json.RawMessage, refuse func(path, code, text string, value json.RawMessage)) {
	const at = "/context/consent/categoryPreferences"
	if id, ok := rawjson.At(context, "/device/advertisingId"); ok && rawjson.KindOf(id) != rawjson.StringKind {
		refuse("/context/device/advertisingId", "device_advertisingid_should_be_string",
			"must be a string for this event",
			id)
	}
	if version, ok := rawjson.At(context, "/consent/version"); ok && rawjson.KindOf(version) != rawjson.NumberKind {
		refuse("/context/consent/version", "consent_version_should_be_number",
			"must be a number for this event", version)
	}
	preferences, _ := rawjson.At(context, "/consent/categoryPreferences")
	switch rawjson.KindOf(preferences) {
	case rawjson.ObjectKind:
	case rawjson.Invalid, rawjson.NullKind:
		refuse(at, "consent_categorypreferences_should_exist", "must be given for this event", nil)
	default:
		refuse(at, "consent_categorypreferences_fields_should_be_object", "must be an object", preferences)
	}
	for _, m := range rawjson.OpenObject(preferences) {
		if rawjson.KindOf(m.Value) != rawjson.BooleanKind {
			refuse(rawjson.Pointer(at, m.Name), "consent_categorypreferences_fields_should_be_bool",
				"must be true or false",
				m.Value)
		}
	}
}
