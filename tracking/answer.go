package tracking

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"
	"unicode"

	"github.com/aacflow/segment-blocks/rawjson"
)

const (
	maxAnswerBytes = 64 << 10 // what is read of an answer
	maxAnswerText  = 300      // what is shown of it, in characters
)

// answer is what a receiver said to one attempt.
type answer struct {
	status     int
	body       []byte
	retryAfter time.Duration
	location   string
}

// refused reports a 2xx whose body says otherwise: Segment compatible receivers answer {"ok":false} or list errors. A page of
// HTML comes from something else altogether, such as a proxy that wants a login. An empty body, or text such as
// RudderStack's "ok", confirms.
func (a *answer) refused() bool {
	body := bytes.TrimSpace(a.body)
	if len(body) > 0 && body[0] == '<' {
		return true
	}
	if len(body) == 0 || body[0] != '{' || string(body) == `{"success":true}` || string(body) == `{"success": true}` {
		return false
	}
	obj, err := rawjson.ParseObject(body, rawjson.Limits{})
	if err != nil {
		return false
	}
	for _, name := range [...]string{"success", "ok"} {
		if v, _ := obj.Get(name); string(v) == "false" {
			return true
		}
	}
	errs, _ := obj.Get("errors")
	return len(rawjson.OpenArray(errs)) > 0
}

// tookSome reports a refused 2xx that admits to having taken part of a batch: Jitsu counts okEvents, and errors beside an
// ok can only be those of some messages.
func (a *answer) tookSome() bool {
	if judge(a.status) != verdictAccepted {
		return false
	}
	obj := rawjson.OpenObject(bytes.TrimSpace(a.body)) // refused has checked it
	ok, _ := obj.Get("ok")
	success, _ := obj.Get("success")
	taken, counted := obj.Get("okEvents")
	return string(ok) == "true" || string(success) == "true" || counted && string(taken) != "0"
}

// text returns what a person should see of the answer: one line, at most 300 characters, the key replaced.
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
	// The key goes first: cutting could leave half of it, which would not be recognised any more.
	return clip(oneLine(key.scrub(oneLine(said))), maxAnswerText)
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

// titleOf keeps of an HTML page what its title says; the rest is markup that helps nobody in an error.
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

// oneLine drops control characters and runs of white space, so that text from outside cannot break a log line or
// steer a terminal.
func oneLine(s string) string {
	s = strings.ToValidUTF8(s, "�")
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Cf, r)
	}), " ")
}
