package rawjson

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Pointer appends one reference token to a JSON Pointer, escaped as RFC 6901 says.
func Pointer(parent, token string) string {
	return parent + "/" + escaper.Replace(token)
}

// At returns the value that a JSON Pointer names inside a checked document, and whether it is
// there.
func At(raw json.RawMessage, pointer string) (json.RawMessage, bool) {
	for token := range jsontext.Pointer(pointer).Tokens() {
		var ok bool
		switch KindOf(raw) {
		case ObjectKind:
			raw, ok = OpenObject(raw).Get(token)
		case ArrayKind:
			raw, ok = elementAt(OpenArray(raw), token)
		}
		if !ok {
			return nil, false
		}
	}
	return raw, true
}

var escaper = strings.NewReplacer("~", "~0", "/", "~1")

func elementAt(elements []json.RawMessage, token string) (json.RawMessage, bool) {
	i, err := strconv.Atoi(token)
	if err != nil || i < 0 || i >= len(elements) {
		return nil, false
	}
	return elements[i], true
}

// shortened keeps the pointer to a value a hundred levels down readable. A size is that of the
// whole document.
func shortened(err error) error {
	const most = 80
	var where *Error
	switch {
	case !errors.As(err, &where):
	case errors.Is(err, ErrTooLarge):
		where.Pointer = ""
	case errors.Is(err, ErrTooDeep) && len(where.Pointer) > most:
		if i := strings.LastIndexByte(where.Pointer[:most], '/'); i > 0 {
			where.Pointer = where.Pointer[:i]
		}
	}
	return err
}
