package emulator

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// The event whose consent object Segment validates.
// Segment docs: Consent in Unify.
const consentEvent = "Segment Consent Preference Updated"

var messageTypes = [...]string{"alias", "group", "identify", "page", "screen", "track"}

// A checker collects the problems and notes of one message.
type checker struct {
	obj      object
	at       string // JSON Pointer of the message in the body
	problems []Problem
	notes    []string
}

// refuse adds a problem at pointer, which is within the message.
func (c *checker) refuse(code, pointer, format string, args ...any) {
	c.problems = append(c.problems, Problem{Code: code, Pointer: c.at + pointer, Text: fmt.Sprintf(format, args...)})
}

func (c *checker) note(format string, args ...any) {
	c.notes = append(c.notes, fmt.Sprintf(format, args...))
}

// check finds everything wrong with a message of the given type.
func (c *checker) check(typ string) {
	switch typ {
	case "alias":
		c.requireID("userId")
		c.requireID("previousId")
		c.optionalID("anonymousId")
	case "group":
		c.requireID("groupId")
		c.identity()
	default:
		c.identity()
	}
	switch typ {
	case "track":
		c.event()
		c.object(CodePropertiesNotObject, "properties")
	case "page", "screen":
		c.label(CodeNameNotString, "name")
		c.label(CodeCategoryNotString, "category")
		c.object(CodePropertiesNotObject, "properties")
	case "identify", "group":
		c.object(CodeTraitsNotObject, "traits")
	}
	// Segment lists no code for these two; its former debug endpoint called them
	// invalid all the same.
	c.object(CodeBadRequest, "context")
	c.object(CodeBadRequest, "integrations")
	if typ == "track" && c.obj.text("event") == consentEvent {
		c.consent()
	}
}

func (c *checker) identity() {
	user, anonymous := c.optionalID("userId"), c.optionalID("anonymousId")
	if !user && !anonymous {
		c.refuse(CodeNoUserAnonID, "", "must have userId or anonymousId")
	}
}

// optionalID reports whether the id is there, good or bad.
func (c *checker) optionalID(name string) bool {
	raw := c.obj.get(name)
	if raw == nil {
		return false
	}
	if id, ok := unquote(raw); !ok || id == "" {
		c.refuse(CodeIDNotString, "/"+name, "must be a non-empty string: %s", show(raw))
	}
	return true
}

func (c *checker) requireID(name string) {
	if !c.optionalID(name) {
		c.refuse(CodeIDRequired, "/"+name, "must have %s", name)
	}
}

func (c *checker) event() {
	raw := c.obj.get("event")
	switch name, isString := unquote(raw); {
	case raw == nil:
		c.refuse(CodeEventNotDefined, "/event", "must have an event")
	case !isString:
		c.refuse(CodeEventNotString, "/event", "must be a string: %s", show(raw))
	case name == "":
		c.refuse(CodeEventNotDefined, "/event", `must not be empty: ""`)
	}
}

func (c *checker) label(code, name string) {
	raw := c.obj.get(name)
	if raw == nil {
		return
	}
	if s, ok := unquote(raw); !ok || s == "" {
		c.refuse(code, "/"+name, "must be a non-empty string: %s", show(raw))
	}
}

func (c *checker) object(code, name string) {
	if raw := c.obj.get(name); raw != nil && kindOf(raw) != '{' {
		c.refuse(code, "/"+name, "must be an object: %s", show(raw))
	}
}

func (c *checker) consent() {
	context, _ := parseObject(c.obj.get("context"))
	consent, _ := parseObject(context.get("consent"))
	raw := consent.get("categoryPreferences")
	preferences, isObject := parseObject(raw)
	const at = "/context/consent/categoryPreferences"
	switch {
	case raw == nil:
		c.refuse(CodeConsentMissing, at, "must have context.consent.categoryPreferences")
	case !isObject:
		c.refuse(CodeConsentNotObject, at, "must be an object: %s", show(raw))
	}
	for _, m := range preferences.members {
		if len(c.problems) >= maxProblems {
			break
		}
		if k := kindOf(m.raw); k != 't' && k != 'f' {
			c.refuse(CodeConsentNotBool, pointerTo(at, m.name), "must be true or false: %s", show(m.raw))
		}
	}
	device, _ := parseObject(context.get("device"))
	if raw := device.get("advertisingId"); raw != nil && kindOf(raw) != '"' {
		c.refuse(CodeAdvertisingNotString, "/context/device/advertisingId", "must be a string: %s", show(raw))
	}
	if raw := consent.get("version"); raw != nil && kindOf(raw) != '0' {
		c.refuse(CodeConsentVersionNumeric, "/context/consent/version", "must be a number: %s", show(raw))
	}
}

// messageID returns the message's own id, or "" with a note when it cannot be
// used.
func (c *checker) messageID() string {
	raw := c.obj.get("messageId")
	if raw == nil {
		return ""
	}
	id, ok := unquote(raw)
	switch {
	case !ok || id == "":
		c.note("messageId must be a non-empty string, another was minted: %s", show(raw))
		return ""
	case utf8.RuneCountInString(id) >= MaxMessageIDLength:
		c.note("messageId must be under %d characters: %d", MaxMessageIDLength, utf8.RuneCountInString(id))
	}
	return id
}

// instant reads a timestamp of the message, or of its batch when the message has
// none; zero, with a note, when it cannot be read.
func (c *checker) instant(name string, batch object) time.Time {
	raw := c.obj.get(name)
	if raw == nil {
		raw = batch.get(name)
	}
	if raw == nil {
		return time.Time{}
	}
	text, _ := unquote(raw)
	t, ok := parseInstant(text)
	if !ok {
		c.note("%s must be an ISO 8601 date and time, it was not used: %s", name, show(raw))
	}
	return t
}

// instantLayouts are the forms of ISO 8601 that clients send. A fraction of a
// second is read after any of them. Without a zone the time is UTC.
var instantLayouts = [...]string{
	time.RFC3339,
	"2006-01-02T15:04:05Z0700",
	"2006-01-02T15:04:05",
	"2006-01-02T15:04Z07:00",
	"2006-01-02",
}

func parseInstant(text string) (time.Time, bool) {
	text = strings.Replace(text, " ", "T", 1)
	for _, layout := range instantLayouts {
		if t, err := time.Parse(layout, text); err == nil {
			// A year outside this range cannot be written as JSON.
			if utc := t.UTC(); utc.Year() >= 0 && utc.Year() <= 9999 {
				return utc, true
			}
		}
	}
	return time.Time{}, false
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

func isMessageType(t string) bool { return slices.Contains(messageTypes[:], t) }
