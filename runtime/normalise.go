package runtime

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/aacflow/segment-blocks/internal/isotime"
	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/schemas"
)

// normaliser applies the host's conventions to an input before the schema judges it:
//
//   - an empty text and null mean that a parameter is absent;
//   - a parameter of type json, number or boolean may be a text that holds its JSON;
//   - a parameter whose whole value is a reference that the host did not resolve is refused;
//   - a date-time may have any common form of ISO 8601; if it is not valid by RFC 3339, it becomes
//     UTC with milliseconds.
//
// All but the second also hold for the known fields of objects inside a parameter, such as the
// messages of a batch. Everything else stays as it was written.
type normaliser struct {
	conventions schemas.Conventions
	limits      rawjson.Limits
	receipt     *Receipt
	violations  []schemas.Violation
	// blank has the empty texts that were taken for absent, by their paths.
	blank map[string]json.RawMessage
}

// object normalises the known fields of an object: the input itself, at "", or an object inside it.
// It stops early when ctx ends.
func (n *normaliser) object(
	ctx context.Context, obj rawjson.Object, fields []schemas.Field, at string,
) rawjson.Object {
	out := make(rawjson.Object, 0, min(len(obj), 16))
	for _, m := range obj {
		f := schemas.Find(fields, m.Name)
		if at == "" && f != nil && jsonInText(n.conventions, f) {
			m.Value = n.unwrap(m.Value, f, rawjson.Pointer(at, m.Name))
		}
		if value, present := n.member(ctx, m.Value, f, at, m.Name); present {
			out = append(out, rawjson.Member{Name: m.Name, Value: value})
		}
	}
	return out
}

// jsonInText reports whether a text in a field stands for the JSON that it holds.
func jsonInText(c schemas.Conventions, f *schemas.Field) bool { return c.JSONInText && f.HoldsJSON() }

// unwrap returns the JSON in a text. It leaves a text that is empty or a reference to member.
func (n *normaliser) unwrap(value json.RawMessage, f *schemas.Field, at string) json.RawMessage {
	text, ok := rawjson.Text(value)
	if _, whole := n.conventions.Unresolved(text); !ok || whole || strings.TrimSpace(text) == "" {
		return value
	}
	inner := json.RawMessage(strings.TrimSpace(text))
	if err := rawjson.Check(inner, n.limits); err != nil {
		if f.Type != "json" {
			return value // the schema says what else it must be
		}
		v := schemas.InvalidJSON(err)
		v.Path = at // what lies inside a text has no JSON Pointer of its own
		reason := strings.TrimPrefix(v.Message, "must be valid JSON: ")
		v.Message = "must be valid JSON if it is text: " + reason
		n.refuse(v)
		return value
	}
	if rawjson.KindOf(inner) == rawjson.StringKind {
		return value // text within text is not JSON given as text, and the schema says so
	}
	return inner
}

// member normalises the value of a field, and reports whether it is present at all. F is nil for a
// field that the schema does not know. Parent and name say where the value is.
func (n *normaliser) member(
	ctx context.Context, value json.RawMessage, f *schemas.Field, parent, name string,
) (json.RawMessage, bool) {
	if f == nil && !n.conventions.MayBeUnresolved(value) {
		return value, true
	}
	at := rawjson.Pointer(parent, name)
	if f == nil {
		n.warnOfReferences(value, at)
		return value, true
	}
	switch rawjson.KindOf(value) {
	case rawjson.NullKind:
		if n.conventions.BlankIsAbsent { // a form sends null for a field that nobody has touched
			return nil, false
		}
	case rawjson.StringKind:
		text, _ := rawjson.Text(value)
		return n.text(value, text, f, at)
	case rawjson.ObjectKind:
		if len(f.Fields) > 0 {
			return n.object(ctx, rawjson.OpenObject(value), f.Fields, at).JSON(), true
		}
	case rawjson.ArrayKind:
		if len(f.Fields) > 0 {
			return n.list(ctx, value, f.Fields, at), true
		}
	}
	if !f.Secret {
		n.warnOfReferences(value, at)
	}
	return value, true
}

// warnOfReferences warns of each text at or below a place that still has a reference. Free-form
// JSON may have such text on purpose, so it is sent.
func (n *normaliser) warnOfReferences(raw json.RawMessage, at string) {
	if !n.conventions.MayBeUnresolved(raw) {
		return
	}
	rawjson.Texts(raw, func(pointer, text string) bool {
		if reference, _ := n.conventions.Unresolved(text); reference != "" {
			message := "was sent with an unresolved reference: " + reference
			n.receipt.Warn(at+pointer, string(UnresolvedReference), message)
		}
		return true
	})
}

func (n *normaliser) text(value json.RawMessage, text string, f *schemas.Field, at string) (json.RawMessage, bool) {
	blank := text == "" || jsonInText(n.conventions, f) && strings.TrimSpace(text) == ""
	_, unresolved := n.conventions.Unresolved(text)
	switch {
	case blank && n.conventions.BlankIsAbsent:
		if len(n.blank) < 10_000 { // all others are reported as not given
			n.blank[at] = value
		}
		return nil, false
	case unresolved:
		message := "must be resolved by the host before the call"
		if !f.Secret {
			message += ": " + schemas.Excerpt(value)
		}
		n.refuse(schemas.Violation{Path: at, Code: string(UnresolvedReference), Message: message})
		return value, true
	case f.Format == "date-time" && n.conventions.AnyISOTime && !isotime.IsRFC3339(text):
		if t, err := isotime.Parse(text); err == nil {
			if !isotime.HasZone(text) {
				n.receipt.Warn(at, "timestamp_zone_assumed", "has no zone and was taken as UTC: "+text)
			}
			return rawjson.Quote(isotime.Format(t)), true
		}
	}
	if !f.Secret {
		n.warnOfReferences(value, at)
	}
	return value, true
}

// list normalises the objects in an array.
func (n *normaliser) list(
	ctx context.Context, value json.RawMessage, fields []schemas.Field, at string,
) json.RawMessage {
	out, i := append(make([]byte, 0, len(value)), '['), 0
	for element := range rawjson.Elements(value) {
		if ctx.Err() != nil {
			return value
		}
		if rawjson.KindOf(element) == rawjson.ObjectKind {
			element = n.object(ctx, rawjson.OpenObject(element), fields, at+"/"+strconv.Itoa(i)).JSON()
		}
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, element...)
		i++
	}
	return append(out, ']')
}

// refuse adds a violation. It keeps the first 1,000.
func (n *normaliser) refuse(v schemas.Violation) {
	const most = 1000
	if len(n.violations) < most {
		n.violations = append(n.violations, v)
	}
}

// explainBlanks rewords the violations of parameters that are not missing, but empty.
func (n *normaliser) explainBlanks(violations []schemas.Violation) {
	for i, v := range violations {
		if blank, ok := n.blank[v.Path]; ok && v.Message == "must be given" {
			violations[i].Message = "must not be empty: " + string(blank)
		}
	}
}
