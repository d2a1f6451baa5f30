package tracking

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode"

	"github.com/aacflow/segment-blocks/rawjson"
)

// maxAnswerText is what is shown of an answer, in characters.
const maxAnswerText = 300

// text returns what a person should see of the answer: one line, at most 300 characters, the key
// replaced.
func (a *answer) text(key WriteKey) string {
	body := bytes.TrimSpace(a.body)
	if len(body) == 0 {
		return ""
	}
	said := string(body)
	switch body[0] {
	case '{':
		if obj, err := rawjson.ParseObject(body, rawjson.Limits{}); err == nil {
			said = messageOf(obj, said)
		}
	case '<':
		said = titleOf(said)
	}
	// The key goes before the text is cut: half of it would not be recognised any more. What is far
	// behind is not shown anyway.
	said = oneLine(said)
	said = said[:min(len(said), 16*maxAnswerText+16*len(key))]
	return clip(oneLine(key.scrub(said)), maxAnswerText)
}

// messageOf picks the words out of the usual shapes of JSON errors, or returns all.
func messageOf(obj rawjson.Object, all string) string {
	var parts []string
	for _, name := range [...]string{"code", "error", "message", "errors"} {
		raw, _ := obj.Get(name)
		switch rawjson.KindOf(raw) {
		case rawjson.StringKind:
			text, _ := rawjson.Text(raw)
			parts = append(parts, text)
		case rawjson.ObjectKind:
			if inner := messageOf(rawjson.OpenObject(raw), ""); inner != "" {
				parts = append(parts, inner)
			}
		case rawjson.ArrayKind:
			for _, e := range rawjson.OpenArray(raw) {
				parts = append(parts, wordsOf(e))
			}
		}
	}
	if len(parts) == 0 {
		return all
	}
	return strings.Join(parts, ": ")
}

func wordsOf(raw json.RawMessage) string {
	if text, ok := rawjson.Text(raw); ok {
		return text
	}
	return messageOf(rawjson.OpenObject(raw), string(raw))
}

// titleOf keeps of an HTML page what its title says; the rest is markup that helps nobody in an
// error.
func titleOf(page string) string {
	lower := strings.ToLower(page)
	if len(lower) != len(page) { // some letters change size, and the places would not match
		return "an HTML page"
	}
	_, rest, found := strings.Cut(lower, "<title>")
	if !found {
		return "an HTML page"
	}
	start := len(lower) - len(rest)
	end := strings.Index(rest, "</title>")
	if end < 0 {
		return "an HTML page"
	}
	if title := strings.TrimSpace(page[start : start+end]); title != "" {
		return "an HTML page: " + title
	}
	return "an HTML page"
}

// oneLine drops control characters and runs of white space, so that text from outside cannot break
// a log line or steer a terminal.
func oneLine(s string) string {
	s = strings.ToValidUTF8(s, "�")
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Cf, r)
	}), " ")
}
