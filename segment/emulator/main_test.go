package emulator_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/aacflow/segment-blocks/segment/emulator"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testKey = "kQ3vT9xW2mZ7bN5cR8dL1fH6jP4sY0aE"

// client keeps no connection, so that nothing outlives a test.
var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true}}

func start(t *testing.T, opts ...emulator.Option) *emulator.Server {
	t.Helper()
	srv, err := emulator.Start(opts...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, srv.Close(context.Background())) })
	return srv
}

// sent is an answer as a client sees it.
type sent struct {
	status int
	header http.Header
	body   string
}

func (s sent) field(t *testing.T, name string) any {
	t.Helper()
	var body map[string]any
	require.NoError(t, json.Unmarshal([]byte(s.body), &body), s.body)
	return body[name]
}

// send makes a request with the test's write key and JSON's content type, which
// the header lines given ("Name: value", or "Name:" for none) change.
func send(t *testing.T, method, url, body string, header ...string) sent {
	t.Helper()
	s, err := trySend(t, method, url, []byte(body), header...)
	require.NoError(t, err)
	return s
}

func trySend(t *testing.T, method, url string, body []byte, header ...string) (sent, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(body))
	require.NoError(t, err)
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/json")
		req.SetBasicAuth(testKey, "")
	}
	for _, line := range header {
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch {
		case name == "Host":
			req.Host = value
		case value == "":
			req.Header.Del(name)
		default:
			req.Header.Set(name, value)
		}
	}
	resp, err := client.Do(req)
	if err != nil {
		return sent{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	got, err := io.ReadAll(resp.Body)
	return sent{resp.StatusCode, resp.Header, string(got)}, err
}

func post(t *testing.T, srv *emulator.Server, path, body string, header ...string) sent {
	t.Helper()
	return send(t, http.MethodPost, srv.URL+path, body, header...)
}

func get(t *testing.T, srv *emulator.Server, path string, header ...string) sent {
	t.Helper()
	return send(t, http.MethodGet, srv.URL+path, "", header...)
}

func fixedClock(text string) func() time.Time {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return func() time.Time { return t }
}
