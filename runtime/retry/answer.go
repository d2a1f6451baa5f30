package retry

import (
	"bytes"
	"cmp"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aacflow/segment-blocks/internal/text"
)

// Answer is a receiver's answer to one attempt.
type Answer struct {
	Status int
	Header http.Header
	// Body is the whole body of an answer with a 2xx status, and the beginning of any other.
	Body []byte
	// RetryAfter is how long the receiver asks to wait, at most 300 s. With a 2xx status it is 0.
	RetryAfter time.Duration
	// Attempts is how many attempts the request took. [Client.Send] sets it.
	Attempts int

	unread error // why Body is not complete
}

func (a *Answer) accepted() bool { return a.Status >= 200 && a.Status < 300 }

// Decision is what an answer means.
type Decision struct {
	// Code says why the request was not accepted. Empty means that it was.
	Code Code
	// Retry means that another attempt may be accepted.
	Retry bool
	// InDoubt means that the receiver may have accepted the request nevertheless.
	InDoubt bool
	// Err adds what neither the status nor the receiver's text says.
	Err error
}

// Judge looks at the status alone. It retries 408, 429, and 5xx except 501, 505 and 511. All other
// statuses are final. After a 408 or a 5xx that is retried, the request is in doubt: the receiver
// may have accepted it before it ran out of time or failed, or the answer may come from a gateway
// that had passed the request on.
func Judge(a *Answer) Decision {
	switch status := a.Status; {
	case a.accepted():
		return Decision{}
	case status == 401, status == 403, status == 511:
		return Decision{Code: Unauthorized}
	case status == 413:
		return Decision{Code: TooLarge}
	case status == 429:
		return Decision{Code: RateLimited, Retry: true}
	case status == 501, status == 505:
		return Decision{Code: Rejected}
	case status == 408, status >= 500, status < 200:
		return Decision{Code: Unavailable, Retry: true, InDoubt: true}
	}
	return Decision{Code: Rejected}
}

// maxText is how many characters of an answer are shown.
const maxText = 300

// text returns what a person should see of the answer: one line of at most 300 characters, without
// secrets.
func (a *Answer) text(redact func(string) string) string {
	body := bytes.TrimSpace(a.Body)
	if len(body) == 0 {
		return ""
	}
	said := string(body)
	switch body[0] {
	case '{':
		if words := wordsOf(body, 0); words != "" {
			said = words
		}
	case '<':
		said = titleOf(said)
	}
	// Secrets are removed before the text is cut, because half a secret would not be recognised.
	// The first cut only saves time, far beyond what is shown.
	said = text.OneLine(said)
	said = said[:min(len(said), 64*maxText)]
	return text.Clip(text.OneLine(redact(said)), maxText)
}

// maxTextDepth is how deep the text of an error may be nested, as in
// {"errors":[{"error":{"message":…}}]}.
const maxTextDepth = 6

// wordsOf returns the text in the usual shapes of JSON errors, or "".
func wordsOf(raw json.RawMessage, depth int) string {
	var (
		word   string
		list   []json.RawMessage
		object map[string]json.RawMessage
		parts  []string
	)
	switch {
	case depth > maxTextDepth:
		return ""
	case json.Unmarshal(raw, &word) == nil:
		return word
	case json.Unmarshal(raw, &list) == nil:
		for _, e := range list {
			parts = append(parts, cmp.Or(wordsOf(e, depth+1), string(e)))
		}
		return strings.Join(parts, "; ")
	case json.Unmarshal(raw, &object) != nil:
		return ""
	}
	for _, name := range [...]string{"code", "error", "title", "message", "detail", "reason", "errors"} {
		words := wordsOf(object[name], depth+1)
		if name == "errors" && words == "" && string(object[name]) != "[]" {
			words = string(object[name]) // such as the faults of each field
		}
		if words != "" && !slices.Contains(parts, words) {
			parts = append(parts, words)
		}
	}
	return strings.Join(parts, ": ")
}

// titleOf returns the title of an HTML page. The rest is markup that helps nobody in an error.
func titleOf(page string) string {
	title := regexp.MustCompile(`(?is)<title>\s*(.*?)\s*</title>`).FindStringSubmatch(page)
	if len(title) == 0 || title[1] == "" {
		return "an HTML page"
	}
	return "an HTML page: " + title[1]
}
