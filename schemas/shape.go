package schemas

import (
	"bytes"
	"encoding/json"
	"strconv"

	"github.com/aacflow/segment-blocks/rawjson"
)

// shape says how deep a schema looks into a value: opaque where no part of it demands more than a
// type. It joins all that applies at one place, so what an allOf or a then says of a property
// counts as much as the property's own schema.
type shape struct {
	looksInside bool
	closed      bool // unknown members are refused
	count       int  // how many elements of an array it takes to tell whether there are too few or too many
	properties  map[string]*shape
	items       *shape
}

// shapeOf reads the shape off a schema. Keywords whose effect on the depth is not plain make it
// look inside everything below.
func shapeOf(schema json.RawMessage) *shape {
	s := &shape{}
	s.join(rawjson.OpenObject(schema))
	return s
}

func (s *shape) join(schema rawjson.Object) {
	kinds := keywords()
	for _, m := range schema {
		switch m.Name {
		case "properties":
			for _, p := range rawjson.OpenObject(m.Value) {
				s.property(p.Name).join(rawjson.OpenObject(p.Value))
			}
			continue
		case "items":
			if s.items == nil {
				s.items = &shape{}
			}
			s.items.join(rawjson.OpenObject(m.Value))
			continue
		case "type", "$defs", "minLength", "maxLength", "pattern", "format", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf":
			continue // these ask nothing of what is inside an object or array
		case "const", "enum":
			if !bytes.ContainsAny(m.Value, "{[") || m.Name == "enum" && !bytes.ContainsAny(m.Value[1:], "{[") {
				continue // nor do these: no object or array equals a scalar
			}
		case "required":
			for _, name := range texts(m.Value) {
				s.property(name)
			}
			continue
		case "minItems", "maxItems":
			if n, err := strconv.Atoi(string(m.Value)); err == nil {
				s.count = max(s.count, n+1)
				continue
			}
		case "additionalProperties":
			if rawjson.KindOf(m.Value) == rawjson.BooleanKind {
				s.name()
				s.closed = s.closed || string(m.Value) == "false"
				continue
			}
		}
		switch kinds[m.Name] {
		case annotation:
		case inPlace:
			s.join(rawjson.OpenObject(m.Value))
		case inPlaceOf:
			for _, sub := range rawjson.OpenArray(m.Value) {
				s.join(rawjson.OpenObject(sub))
			}
		default:
			s.looksInside = true
		}
	}
}

// name marks that the names of an object's members count, though their values may not.
func (s *shape) name() {
	if s.properties == nil {
		s.properties = map[string]*shape{}
	}
}

func (s *shape) property(name string) *shape {
	s.name()
	p := s.properties[name]
	if p == nil {
		p = &shape{}
		s.properties[name] = p
	}
	return p
}

// project decodes as much of a value as the schema looks at, with stand-ins of the same type for
// the rest.
func (s *shape) project(raw json.RawMessage) any {
	switch kind := rawjson.KindOf(raw); {
	case s != nil && s.looksInside:
		return decode(raw)
	case kind == rawjson.ObjectKind:
		if s == nil || s.properties == nil {
			return map[string]any{}
		}
		return s.projectObject(rawjson.OpenObject(raw))
	case kind == rawjson.ArrayKind:
		list := []any{}
		if s == nil {
			return list
		}
		for e := range rawjson.Elements(raw) {
			switch {
			case s.items != nil:
				list = append(list, s.items.project(e))
			case len(list) < s.count:
				list = append(list, nil)
			default:
				return list
			}
		}
		return list
	case kind == rawjson.StringKind:
		text, _ := rawjson.Text(raw)
		return text
	default:
		return decode(raw)
	}
}

func (s *shape) projectObject(obj rawjson.Object) map[string]any {
	m := map[string]any{}
	unknown := 0
	for _, member := range obj {
		known, ok := s.properties[member.Name]
		switch {
		case s.looksInside:
			m[member.Name] = decode(member.Value)
		case ok:
			m[member.Name] = known.project(member.Value)
		case s.closed && unknown < maxFound:
			unknown++
			m[member.Name] = nil
		}
	}
	return m
}

func decode(raw json.RawMessage) any {
	switch rawjson.KindOf(raw) {
	case rawjson.ObjectKind:
		m := map[string]any{}
		for _, member := range rawjson.OpenObject(raw) {
			m[member.Name] = decode(member.Value)
		}
		return m
	case rawjson.ArrayKind:
		list := []any{}
		for e := range rawjson.Elements(raw) {
			list = append(list, decode(e))
		}
		return list
	case rawjson.StringKind:
		text, _ := rawjson.Text(raw)
		return text
	case rawjson.NumberKind:
		return json.Number(raw)
	case rawjson.BooleanKind:
		return raw[0] == 't'
	}
	return nil
}
