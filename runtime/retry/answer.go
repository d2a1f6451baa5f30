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

// Answer is what a receiver said to one attempt.
type Answer struct {
	Status int
	Header http.Header
	// Body is the whole body of an answer with a 2xx status, and the beginning of another's.
	Body []byte
	// RetryAfter is how long the receiver asks to wait, at most 300 s; 0 with a 2xx status.
	RetryAfter time.Duration
	// Attempts is how many attempts it took. [Client.Send] sets it.
	Attempts int

	unread error // why Body is not the whole of it
}

func (a *Answer) accepted() bool { return a.Status >= 200 && a.Status < 300 }

// Decision is what an answer means.
type Decision struct {
	// Code says why the request was not accepted. Empty: it was.
	Code Code
	// Retry says that another attempt may be accepted.
	Retry bool
	// InDoubt says that the receiver may have taken the request nevertheless.
	InDoubt bool
	// Err adds to the status what the receiver's own text does not say.
	Err error
}

// Judge looks at the status alone. It retries 408, 429 and 5xx except 501, 505 and 511; all other
// statuses are final. After a 408 or 5xx the request is in doubt: the receiver ran out of time or
// failed on the way, or a gateway in front of it says so after it has passed the request on.
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

// maxText is what is shown of an answer, in characters.
const maxText = 300

// text returns what a person should see of the answer: one line, at most 300 characters, secrets
// replaced.
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
	// Secrets go before the text is cut: half of one would not be recognised any more. What is far
	// behind is not shown anyway.
	said = text.OneLine(said)
	said = said[:min(len(said), 64*maxText)]
	return text.Clip(text.OneLine(redact(said)), maxText)
}

// maxTextDepth is how deep the words of an error may be nested:
// {"errors":[{"error":{"message":…}}]}.
const maxTextDepth = 6

// wordsOf picks the words out of the usual shapes of JSON errors, or returns "".
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
