package schemas

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/aacflow/segment-blocks/rawjson"
)

// at returns the value that a JSON Pointer leads to.
func (e *explainer) at(pointer string) (json.RawMessage, bool) {
	const large = 4 << 10
	value, done := e.instance, ""
	for done != pointer {
		if len(value) < large {
			return rawjson.At(value, pointer[len(done):])
		}
		token, _, _ := strings.Cut(pointer[len(done)+1:], "/")
		next := pointer[:len(done)+1+len(token)]
		var ok bool
		if rawjson.KindOf(value) == rawjson.ArrayKind {
			value, ok = e.element(value, done, token)
		} else {
			value, ok = e.member(value, done, token)
		}
		if !ok {
			return nil, false
		}
		done = next
	}
	return value, true
}

func (e *explainer) element(array json.RawMessage, at, token string) (json.RawMessage, bool) {
	list, ok := e.opened[at]
	if !ok {
		if e.opened == nil {
			e.opened = map[string][]json.RawMessage{}
		}
		list = rawjson.OpenArray(array)
		e.opened[at] = list
	}
	i, err := strconv.Atoi(token)
	if err != nil || i < 0 || i >= len(list) {
		return nil, false
	}
	return list[i], true
}

func (e *explainer) member(object json.RawMessage, at, token string) (json.RawMessage, bool) {
	obj, ok := e.members[at]
	if !ok {
		if e.members == nil {
			e.members = map[string]rawjson.Object{}
		}
		obj = rawjson.OpenObject(object)
		e.members[at] = obj
	}
	return obj.Get(strings.NewReplacer("~1", "/", "~0", "~").Replace(token))
}
