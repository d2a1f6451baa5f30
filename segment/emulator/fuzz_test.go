package emulator_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aacflow/segment-blocks/segment/emulator"
)

// FuzzHandler holds the emulator to three promises for any request: it does not
// panic, it answers JSON, and it stores nothing it did not say 200 to.
func FuzzHandler(f *testing.F) {
	const track = `{"type":"track","userId":"u","event":"E"}`
	for _, path := range []string{
		"/v1/track", "/v1/t", "/v1/batch", "/v1/alias", "/v1/pixel/track?data=e30",
		"/emulator/v1/events?limit=1", "/emulator/v1/faults", "/",
	} {
		for _, body := range []string{
			"", "{}", "[]", track, `{"batch":[` + track + `]}`, `{"batch":[{},1,null]}`,
			`{"batch":null,"context":1}`, `{"a":1,"a":2}`,
			`{"writeKey":"\u0061bcdefgh","userId":"","timestamp":"2026","context":{"a":{"b":1}},` +
				`"batch":[{"type":"page","context":{"a":{"b":[]}}}]}`,
			strings.Repeat("[", 600), "{\"\xff\":1}", `{"status":500}`, "\x1f\x8b\x08",
		} {
			f.Add("POST", path, "application/json", "", "Basic YWJjZGVmZ2g6", body)
		}
	}
	f.Add("GET", "/v1/projects/abcdefgh/settings", "", "", "", "")
	f.Add("OPTIONS", "/v1/t", "", "", "", "")
	f.Add("POST", "/v1/t", "text/plain;charset=UTF-8", "gzip", "Bearer x", track)
	f.Add("POST", "/v1/t", "application/json; =", "identity", "Basic", track)
	f.Fuzz(func(t *testing.T, method, target, contentType, encoding, auth, body string) {
		req, err := http.NewRequest(method, "http://localhost", strings.NewReader(body))
		if err != nil {
			t.Skip("no such request can be sent")
		}
		if path, query, _ := strings.Cut(target, "?"); true {
			req.URL.Path, req.URL.RawQuery = path, query
		}
		if req.URL.Path == "/emulator/v1/stream" {
			t.Skip("a stream is not JSON")
		}
		req.Header = http.Header{"Content-Type": {contentType}, "Content-Encoding": {encoding}, "Authorization": {auth}}
		for _, mode := range []emulator.AnswerMode{emulator.Segment, emulator.Strict} {
			req.Body = http.NoBody
			if body != "" {
				req.Body = readCloser{strings.NewReader(body)}
			}
			e, err := emulator.New(emulator.Mode(mode))
			if err != nil {
				t.Fatal(err)
			}
			rec := httptest.NewRecorder()
			e.Handler().ServeHTTP(rec, req)
			if !json.Valid(rec.Body.Bytes()) && rec.Header().Get("Content-Type") != "image/gif" {
				t.Fatalf("answered %d with no JSON: %q", rec.Code, rec.Body)
			}
			events := e.Events(emulator.Filter{})
			if len(events) > 0 && rec.Code != http.StatusOK {
				t.Fatalf("stored %d events and answered %d: %s", len(events), rec.Code, rec.Body)
			}
			for _, ev := range events {
				if !json.Valid(ev.Message) || ev.Context != nil && !json.Valid(ev.Context) {
					t.Fatalf("stored what is not JSON: %q %q", ev.Message, ev.Context)
				}
			}
			rec = httptest.NewRecorder()
			for _, path := range []string{"events", "discards", "requests"} {
				rec.Body.Reset()
				url := "http://localhost/emulator/v1/" + path
				e.Handler().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, url, nil))
				if !json.Valid(rec.Body.Bytes()) {
					t.Fatalf("%s are shown with no JSON: %q", path, rec.Body)
				}
			}
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }
