package emulator

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"
)

// A Fault is something to go wrong with a tracking request. The zero Fault does
// nothing but use up a request, which spaces out a script. In JSON the names are
// lower camel case and Delay is a Go duration such as "150ms".
//
//	{Status: 429, RetryAfter: "2"}             // refused, come back in two seconds
//	{Status: 503, Times: 3}                    // refused three times
//	{Status: 503, Store: true}                 // stored, and refused all the same
//	{Reset: true}                              // cut before anything is stored
//	{Reset: true, Store: true}                 // stored, then cut: the client cannot know
//	{Delay: 2 * time.Second}                   // slow, and then as usual
//	{Status: 200, Body: `{"ok":false}`}        // a 200 that confirms nothing
//	{Status: 500, Path: "/v1/batch"}           // only of that path; "/v1/*" is any
type Fault struct {
	// Status is answered instead of the emulator's own, 200 to 599. 0 leaves the
	// answer alone.
	Status int `json:"status,omitempty"`
	// Body is sent with Status, as JSON when it is JSON and as plain text when
	// not. When empty, a JSON body that fits the status is.
	Body string `json:"body,omitempty"`
	// RetryAfter and RateLimitReset are sent word for word as the headers
	// Retry-After (seconds, or an HTTP date) and X-RateLimit-Reset (seconds).
	RetryAfter     string `json:"retryAfter,omitempty"`
	RateLimitReset string `json:"rateLimitReset,omitempty"`
	// Delay is waited before anything else is done, after the body was read. A
	// client that goes away meanwhile has nothing stored, unless Store is set.
	Delay time.Duration `json:"-"`
	// Reset cuts the connection instead of answering.
	Reset bool `json:"reset,omitempty"`
	// Store stores the messages as usual before Status or Reset is applied. Without
	// it, neither stores anything.
	Store bool `json:"store,omitempty"`
	// Times is how many requests the fault is good for. 0 means one, and a negative
	// number all, until ClearFaults.
	Times int `json:"times,omitempty"`
	// Path restricts the fault to requests whose path matches this pattern, as
	// path.Match has it; "" is any.
	Path string `json:"path,omitempty"`
}

// decides reports whether the fault answers in the emulator's place.
func (f *Fault) decides() bool { return f.Status != 0 || f.Reset }

func (f *Fault) check() error {
	switch _, err := path.Match(f.Path, "/"); {
	case f.Status != 0 && (f.Status < 200 || f.Status > 599):
		return fmt.Errorf("status must be 200 to 599: %d", f.Status)
	case f.Status != 0 && f.Reset:
		return fmt.Errorf("a fault cannot both answer and cut the connection: status %d", f.Status)
	case f.Store && !f.decides():
		return errors.New("store needs a status or a reset")
	case f.Status == 0 && (f.Body != "" || f.RetryAfter != "" || f.RateLimitReset != ""):
		return errors.New("a body or a header needs a status")
	case f.Delay < 0:
		return fmt.Errorf("delay cannot be negative: %s", f.Delay)
	case strings.ContainsAny(f.RetryAfter+f.RateLimitReset, "\r\n"):
		return errors.New("a header cannot hold a line break")
	case err != nil:
		return fmt.Errorf("path must be a pattern: %q", f.Path)
	}
	return nil
}

func (f *Fault) answer() answer {
	a := answer{status: f.Status, cut: f.Reset, header: http.Header{}}
	for name, value := range map[string]string{"Retry-After": f.RetryAfter, "X-RateLimit-Reset": f.RateLimitReset} {
		if value != "" {
			a.header.Set(name, value)
		}
	}
	switch {
	case f.Body != "":
		a.body = []byte(f.Body)
		if !json.Valid(a.body) {
			a.header.Set("Content-Type", "text/plain; charset=utf-8")
		}
	case f.Status >= 200 && f.Status <= 299:
		a.body = []byte(successBody)
	case f.Status != 0:
		text := strings.TrimSpace(fmt.Sprintf("%d %s", f.Status, http.StatusText(f.Status)))
		a.body = refusal{f.Status, "scripted", "", text}.answer().body
	}
	return a
}

// plainFault is a Fault without methods; its Delay is text in JSON.
type plainFault Fault

type jsonFault struct {
	*plainFault
	Delay string `json:"delay,omitempty"`
}

// MarshalJSON writes the form that the query API shows and takes.
func (f Fault) MarshalJSON() ([]byte, error) {
	j := jsonFault{plainFault: (*plainFault)(&f)}
	if f.Delay > 0 {
		j.Delay = f.Delay.String()
	}
	return json.Marshal(j)
}

// UnmarshalJSON reads what MarshalJSON writes, and refuses a name it does not know.
func (f *Fault) UnmarshalJSON(data []byte) error {
	*f = Fault{}
	j := jsonFault{plainFault: (*plainFault)(f)}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&j); err != nil || j.Delay == "" {
		return err
	}
	var err error
	if f.Delay, err = time.ParseDuration(j.Delay); err != nil {
		return fmt.Errorf("delay must be a duration such as 150ms: %q", j.Delay)
	}
	return nil
}

// Script appends faults to those waiting. Each tracking request, preflights
// excepted, uses up one go of the first fault whose Path fits it; when none does
// it is answered as usual. When a fault makes no sense, Script adds none of them,
// and its error says which one it is.
func (e *Emulator) Script(faults ...Fault) error {
	for i := range faults {
		if err := faults[i].check(); err != nil {
			return fmt.Errorf("emulator: fault %d: %w", i, err)
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if n := len(e.faults) + len(faults); n > maxFaults {
		return fmt.Errorf("emulator: at most %d faults can wait: %d", maxFaults, n)
	}
	e.faults = append(e.faults, faults...)
	return nil
}

// Faults returns the faults not yet used up, in order, Times being what is left.
func (e *Emulator) Faults() []Fault {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]Fault{}, e.faults...)
}

// ClearFaults forgets the faults not yet used up.
func (e *Emulator) ClearFaults() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.faults = nil
}

// takeFault uses up one go of the first fault that fits the path, and reports
// whether there is one.
func (e *Emulator) takeFault(requestPath string) (Fault, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	i := slices.IndexFunc(e.faults, func(f Fault) bool {
		fits, _ := path.Match(f.Path, requestPath)
		return f.Path == "" || fits
	})
	if i < 0 {
		return Fault{}, false
	}
	f := e.faults[i]
	switch {
	case f.Times < 0:
	case f.Times > 1:
		e.faults[i].Times--
	default:
		e.faults = slices.Delete(e.faults, i, i+1)
	}
	return f, true
}
