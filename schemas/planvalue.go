package schemas

import (
	"encoding/json"
	"math"
)

// values judges Go values of the types that encoding/json decodes into, and the usual integers. It is unsure of all others.
type values struct {
	blank bool // as in walk
}

// judgeValue judges a value that has been looked at before.
func (at *place) judgeValue(value any) verdict {
	var w values
	return w.value(at, value)
}

func (w *values) value(at *place, value any) verdict {
	s := subject{}
	switch value := value.(type) {
	case map[string]any:
		return w.object(at, value)
	case []any:
		return w.array(at, value)
	case string:
		s.kind, s.text = isString, value
		w.blank = w.blank || value == ""
	case bool:
		s.kind, s.truth = isBoolean, value
	case nil:
		s.kind, w.blank = isNull, true
	case float64:
		s.kind, s.float = isNumber, value
		if value == math.Trunc(value) && math.Abs(value) < 1<<53 {
			s.kind = isInteger
		}
	case int:
		s.kind, s.float = isInteger, float64(value)
	case int64:
		s.kind, s.float = isInteger, float64(value)
	case json.Number:
		s.kind, s.float = isNumber, math.NaN()
		if f, err := value.Float64(); err == nil {
			s.float = f
		}
		if isWhole(string(value)) {
			s.kind = isInteger
		}
	default:
		return unsure
	}
	return at.schema.judge(at, &s)
}

func (w *values) object(at *place, object map[string]any) verdict {
	if object == nil {
		return unsure // it is written as null
	}
	if at.plain {
		return at.schema.kinds.admit(isObject)
	}
	s := subject{kind: isObject, object: object, count: len(object)}
	known := 0
	for i, name := range at.names {
		value, ok := object[name]
		if !ok {
			continue
		}
		known++
		s.present |= 1 << i
		if schema := at.members[i]; schema != nil && w.value(schema, value) != yes {
			return unsure
		}
	}
	s.more = known < len(object)
	if s.more && at.others != nil {
		for name, value := range object {
			if at.find(name) < 0 && w.value(at.others, value) != yes {
				return unsure
			}
		}
	}
	return at.schema.judge(at, &s)
}

func (w *values) array(at *place, list []any) verdict {
	if list == nil {
		return unsure
	}
	if at.items != nil {
		for _, element := range list {
			if w.value(at.items, element) != yes {
				return unsure
			}
		}
	}
	s := subject{kind: isArray, list: list, count: len(list)}
	return at.schema.judge(at, &s)
}
