package tracking

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"github.com/aacflow/segment-blocks/rawjson"
)

// Message is one Segment call: a type and its fields. It is immutable.
type Message struct {
	typ    Type
	fields rawjson.Object
}

// NewMessage makes a message of type t from the fields of Segment's spec (userId, event, properties, context, …). With t
// empty the type is that of the field "type", as in an item of a batch.
//
// The values must come out of [rawjson.ParseObject] or [rawjson.EncodeObject], which check their syntax; they are sent
// exactly as they are written, and must not change until the call that sends them returns. Whether Segment takes them is
// checked there, for all messages at once.
func NewMessage(t Type, fields rawjson.Object) Message {
	if t == "" {
		raw, _ := fields.Get("type")
		t = typeIn(raw)
	}
	return Message{typ: t, fields: fields}
}

// Type returns the message's type, which may be one that Segment does not know.
func (m Message) Type() Type { return m.typ }

// Fields returns the fields that the message was made from. They must not be changed.
func (m Message) Fields() rawjson.Object { return m.fields }

// role is what a field means in a message of a certain type.
type role uint8

const (
	roleUnknown role = iota
	roleServer       // set by Segment
	roleType
	roleID
	roleText
	roleMessageID
	roleTimestamp
	roleData // properties and traits
	roleContext
	roleIntegrations
	roleSentAt
	roleWriteKey
)

func (t Type) role(field string) role {
	switch field {
	case "type":
		return roleType
	case "userId", "anonymousId":
		return roleID
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
		return roleIf(t == Track, roleText)
	case "name", "category":
		return roleIf(t == Page || t == Screen, roleText)
	case "groupId":
		return roleIf(t == Group, roleID)
	case "previousId":
		return roleIf(t == Alias, roleID)
	}
	return roleUnknown
}

func roleIf(known bool, r role) role {
	if known {
		return r
	}
	return roleUnknown
}

// absent tells whether a field of this role counts as not given. Forms and templates leave "" and null behind where
// a person left a field empty; Segment would discard the message for it.
func (r role) absent(value json.RawMessage, kind rawjson.Kind) bool {
	switch r {
	case roleID, roleText, roleMessageID, roleTimestamp:
		return string(value) == `""` || kind == rawjson.NullKind
	case roleData, roleContext, roleIntegrations, roleSentAt, roleWriteKey:
		return kind == rawjson.NullKind
	}
	return false
}

// checkField returns the code and text of what is wrong with a field that is there, or nothing.
func (r role) checkField(name string, value json.RawMessage, kind rawjson.Kind) (code, text string) {
	switch r {
	case roleID:
		if kind != rawjson.StringKind {
			return CodeIDNotString, "must be a string"
		}
	case roleText:
		if kind != rawjson.StringKind {
			return notString(name), "must be a string"
		}
	case roleMessageID:
		if kind != rawjson.StringKind {
			return CodeMessageIDInvalid, "must be a string"
		}
		if n := idCharacters(value); n > MaxMessageIDLength {
			return CodeMessageIDInvalid, fmt.Sprintf("has %d characters, %d are allowed", n, MaxMessageIDLength)
		}
	case roleData:
		if kind != rawjson.ObjectKind {
			return name + "_not_object", "must be an object"
		}
	case roleContext:
		if kind != rawjson.ObjectKind {
			return CodeContextNotObject, "must be an object"
		}
	case roleIntegrations:
		if kind != rawjson.ObjectKind {
			return CodeIntegrationsNotObject, "must be an object"
		}
	}
	return "", ""
}

func notString(name string) string {
	switch name {
	case "event":
		return CodeEventNotString
	case "name":
		return CodeNameNotString
	default:
		return CodeCategoryNotString
	}
}

func idCharacters(value json.RawMessage) int {
	if len(value) <= MaxMessageIDLength { // a string is never longer than what it was written with
		return 0
	}
	text, _ := rawjson.Text(value)
	return utf8.RuneCountInString(text)
}

// presence collects which of the fields that make a message whole are there.
type presence struct {
	userID, anonymousID, groupID, previousID, event bool
}

func (p *presence) note(name string) {
	switch name {
	case "userId":
		p.userID = true
	case "anonymousId":
		p.anonymousID = true
	case "groupId":
		p.groupID = true
	case "previousId":
		p.previousID = true
	case "event":
		p.event = true
	}
}

// missing reports what Segment needs and the message lacks.
func (p *presence) missing(t Type, report func(pointer, code, text string)) {
	if t == Alias {
		if !p.userID {
			report("/userId", CodeIDMissing, "must be given: the new id of the person")
		}
		if !p.previousID {
			report("/previousId", CodeIDMissing, "must be given: the id that the person had before")
		}
		return
	}
	if t == Track && !p.event {
		report("/event", CodeEventMissing, "must be given and not empty")
	}
	if t == Group && !p.groupID {
		report("/groupId", CodeIDMissing, "must be given and not empty")
	}
	if !p.userID && !p.anonymousID {
		report("", CodeNoID, "must have userId or anonymousId")
	}
}

// linkIDs calls visit with each id that ties a message of these fields to a person, as JSON in the one spelling that has no needless
// escapes. A person's userId may be another call's previousId, so they are all of one kind.
func linkIDs(fields rawjson.Object, visit func(id []byte)) {
	for _, f := range fields {
		switch f.Name {
		case "userId", "anonymousId", "previousId":
		default:
			continue
		}
		id := f.Value
		if bytes.IndexByte(id, '\\') >= 0 {
			text, _ := rawjson.Text(id)
			id = rawjson.Quote(text)
		}
		if !roleID.absent(id, rawjson.KindOf(id)) {
			visit(id)
		}
	}
}
