package schemas

import (
	"encoding/json"

	"github.com/aacflow/segment-blocks/rawjson"
)

// shape says how deep a schema looks into a value: opaque where no part of it demands more than a type. It joins all that applies at
// one place, so what an allOf or a then says of a property counts as much as the property's own schema.
type shape struct {
	looksInside bool
	counts      bool // the elements of an array count, though their values may not
	properties  map[string]*shape
	items       *shape
}

// shapeOf reads the shape off a schema. Keywords whose effect on the depth is not plain make it look inside everything below.
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
		case "type", "required", "$defs":
			continue
		case "minItems", "maxItems":
			s.counts = true
			continue
		case "additionalProperties":
			if rawjson.KindOf(m.Value) == rawjson.BooleanKind {
				s.name()
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
	if _, ok := schema.Get("required"); ok {
		s.name()
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

// project decodes as much of a value as the schema looks at, with stand-ins of the same type for the rest.
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
		if s == nil || s.items == nil && !s.counts {
			return list
		}
		for e := range rawjson.Elements(raw) {
			if s.items == nil {
				list = append(list, nil)
			} else {
				list = append(list, s.items.project(e))
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
	m := make(map[string]any, len(obj))
	for _, member := range obj {
		if s.looksInside {
			m[member.Name] = decode(member.Value)
			continue
		}
		m[member.Name] = s.properties[member.Name].project(member.Value)
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
