package blocks_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

// sink is a receiver without a network: it keeps bodies and accepts them.
type sink struct{ bodies [][]byte }

func (s *sink) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	s.bodies = append(s.bodies, body)
	return &http.Response{
		StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{},
		Body: io.NopCloser(strings.NewReader(`{"success":true}`)), Request: r,
	}, nil
}

// FuzzInvoke gives each block arbitrary bytes. The block must not panic, must give a reason if it
// refuses, and may send only JSON that keeps Segment's limits.
func FuzzInvoke(f *testing.F) {
	for _, b := range segmentBlocks().List() {
		m := b.Manifest()
		for _, x := range m.Examples {
			f.Add([]byte(x.Input.JSON()))
		}
		for _, x := range m.Refused {
			f.Add([]byte(x.Input.JSON()))
		}
	}
	files, _ := filepath.Glob("testdata/wire/*.txtar")
	for _, file := range files {
		f.Add([]byte(strings.TrimSuffix(parseArchive(string(readFile(f, file))).get("input"), "\n")))
	}
	for _, d := range discards() {
		f.Add([]byte(`{"batch":[` + d.message + `]}`))
	}
	for _, seed := range []string{
		"", "{}", "null", "[]", `"{}"`, "{\"\xff\":1}", "{\"event\":\"\x00\"}",
		strings.Repeat("[", 1000), `{"batch":[[[]]]}`, "\ufeff{}",
	} {
		f.Add([]byte(seed))
	}
	network := &sink{}
	rt, err := runtime.New(segmentBlocks(), runtime.Transport(network),
		runtime.Source("fuzz", tracking.Source{WriteKey: testKey, Retry: fast(-1)}))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = rt.Close(context.Background()) })

	f.Fuzz(func(t *testing.T, input []byte) {
		given := bytes.Clone(input)
		for _, b := range segmentBlocks().List() {
			id := b.Manifest().ID
			network.bodies = nil
			res, err := rt.Invoke(t.Context(), id, runtime.JSON(input))
			if !bytes.Equal(given, input) {
				t.Fatalf("%s has changed its input", id)
			}
			requireFuzzedOutcome(t, id, res, err, network.bodies)
		}
	})
}

func requireFuzzedOutcome(t *testing.T, id string, res *runtime.Result, err error, bodies [][]byte) {
	t.Helper()
	if err != nil {
		var e *runtime.Error
		if !errors.As(err, &e) {
			t.Fatalf("%s failed with another error than its own: %T", id, err)
		}
		if e.Code == runtime.Internal || e.Code == runtime.InvalidOutput {
			t.Fatalf("%s is at fault: %v", id, e)
		}
		if len(bodies) > 0 || len(e.Violations) == 0 && e.Code != runtime.UnknownSource {
			t.Fatalf("%s must refuse with violations and send nothing: %v", id, e)
		}
		if strings.ContainsAny(e.Error(), "\n\r") {
			t.Fatalf("%s must refuse in one line: %q", id, e.Error())
		}
		return
	}
	if len(bodies) == 0 || !json.Valid(res.Output) {
		t.Fatalf("%s succeeded with %d requests and the output %s", id, len(bodies), res.Output)
	}
	for _, body := range bodies {
		most := tracking.MaxMessageBytes
		if id == "segment_batch" {
			most = tracking.MaxBodyBytes
		}
		if !json.Valid(body) || len(body) > most || bytes.Contains(body, []byte(testKey)) {
			t.Fatalf("%s may not send this: %s", id, body)
		}
		requireLegalMessages(t, id, body)
	}
}

func requireLegalMessages(t *testing.T, id string, body []byte) {
	t.Helper()
	path := tracking.BatchPath
	if id != "segment_batch" {
		path = ""
	}
	for _, m := range (tapped{path: path, body: body}).messages(t) {
		message := m.Text("messageId")
		if message == "" || len([]rune(message)) > tracking.MaxMessageIDLength {
			t.Fatalf("%s sent a messageId that is none: %s", id, body)
		}
		if !slices.Contains(tracking.Types(), tracking.Type(m.Text("type"))) {
			t.Fatalf("%s sent a message without a type: %s", id, body)
		}
		if size := len(m.JSON()); id == "segment_batch" && size > tracking.MaxMessageBytes {
			t.Fatalf("%s sent a message of %d bytes", id, size)
		}
		if _, ok := m.Get("writeKey"); ok {
			t.Fatalf("%s sent a write key in a message: %s", id, body)
		}
	}
}
