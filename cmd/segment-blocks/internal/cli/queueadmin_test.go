package cli

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/segment/delivery"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

// waitingStore makes a store with messages of a source called queued that cannot be sent, and
// leaves it open.
func waitingStore(t *testing.T, path string, inputs ...string) *delivery.Store {
	t.Helper()
	store, err := delivery.Open(path, delivery.StoreOptions{})
	require.NoError(t, err)
	t.Cleanup(func() { _, _ = store.Close(t.Context()) })
	source := store.Source("queued", tracking.Source{WriteKey: emulatorKey, Endpoint: "http://127.0.0.1:1"})
	for _, input := range inputs {
		fields, err := rawjson.ParseObject([]byte(input), rawjson.Limits{})
		require.NoError(t, err)
		call := tracking.Call{Messages: []tracking.Message{tracking.NewMessage("", fields)}, Alone: true}
		_, err = source.Send(t.Context(), nil, call)
		require.NoError(t, err)
	}
	return store
}

func runHere(t *testing.T, environ []string, args ...string) (stdout string) {
	t.Helper()
	var out, stderr bytes.Buffer
	home := "HOME=" + t.TempDir()
	code := Run(t.Context(), &Program{Console: &console.Console{
		Args: args, Environ: append(environ, home), Stdin: strings.NewReader(""), Stdout: &out, Stderr: &stderr,
	}})
	require.Zero(t, code, "%s\n%s", out.String(), stderr.String())
	return out.String()
}

// What export prints can be imported, and arrives as it would have from the store: the same
// messageIds and the same bodies.
func TestExportIsImportedAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "queued.store")
	store := waitingStore(t, path,
		`{"type":"track","event":"Order Completed","userId":"u","properties":{"price":19.90,"n":12345678901234567890}}`,
		`{"type":"identify","anonymousId":"a","traits":{"name":"<Ada & Ö>"},"context":{"ip":"1.2.3.4"}}`,
		`{"type":"page","userId":"u","name":"Home","timestamp":"2020-01-02T03:04:05.678Z","integrations":{"All":true}}`,
		`{"type":"alias","userId":"u","previousId":"a"}`,
		`{"type":"group","userId":"u","groupId":"g","messageId":"of-its-own"}`)
	var want []string
	for l, err := range store.Waiting("queued") {
		require.NoError(t, err)
		want = append(want, string(l.Message))
	}
	require.Len(t, want, 5)
	_, err := store.Close(t.Context())
	require.NoError(t, err)

	var got []string
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body struct{ Batch []json.RawMessage }
		require.NoError(t, json.NewDecoder(r.Body).Decode(&body))
		for _, m := range body.Batch {
			got = append(got, string(m))
		}
		_, _ = io.WriteString(w, `{"success":true}`)
	}))
	defer receiver.Close()
	exported := filepath.Join(t.TempDir(), "waiting.ndjson")
	printed := runHere(t, nil, "queue", "export", "--waiting", "--store", path)
	require.NoError(t, os.WriteFile(exported, []byte(printed), 0o600))
	environ := []string{"SEGMENT_WRITE_KEY=" + emulatorKey, "SEGMENT_ENDPOINT=" + receiver.URL}
	runHere(t, environ, "import", exported, "--concurrency", "1")
	slices.Sort(want)
	slices.Sort(got)
	require.Equal(t, want, got)
}

// Only who can read the store can ask the process that has it open, and only from this machine.
func TestAdminIsForTheOwnerOfTheStore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "queued.store")
	store := waitingStore(t, path, `{"type":"track","event":"E","userId":"u"}`)
	stale := []byte("of a process that was killed")
	require.NoError(t, os.WriteFile(adminFile(path), stale, 0o644)) //nolint:gosec // it is to be made private
	require.Nil(t, dialStore(t.Context(), path))
	held := &heldStore{Store: store, path: path}
	require.NoError(t, held.listen(t.Context()))
	info, err := os.Stat(adminFile(path))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	running := dialStore(t.Context(), path)
	require.NotNil(t, running)
	answer, err := running.ask(t.Context(), queueRequest{Do: "stats"}, nil)
	require.NoError(t, err)
	require.Equal(t, 1, answer.Stats[0].Waiting)
	address, err := url.Parse(running.URL)
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1", address.Hostname())
	for _, token := range []string{"", "Bearer ", "Bearer wrong", held.token} {
		for _, path := range []string{"", "/", "/stats", "/drop"} {
			body := strings.NewReader(`{"do":"stats"}`)
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, running.URL+path, body)
			require.NoError(t, err)
			req.Header.Set("Authorization", token)
			res, err := http.DefaultClient.Do(req)
			require.NoError(t, err)
			require.NoError(t, res.Body.Close())
			require.Equal(t, http.StatusUnauthorized, res.StatusCode)
		}
	}
	require.NoError(t, held.stopListening())
	require.NoFileExists(t, adminFile(path))
	require.Nil(t, dialStore(t.Context(), path))
}

// A store that no process has open is shown as the file is, and stays so. A damaged message is
// among the dead letters, which the next start makes it.
func TestStoreAtRestIsReadAndNotChanged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "queued.store")
	store := waitingStore(t, path, `{"type":"track","event":"One","userId":"u"}`,
		`{"type":"track","event":"Harmed","userId":"u"}`, `{"type":"track","event":"Three","userId":"u"}`)
	_, err := store.Close(t.Context())
	require.NoError(t, err)
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	data = bytes.ReplaceAll(data, []byte("Harmed"), []byte("harmed"))
	require.NoError(t, os.WriteFile(path, data, 0o600))

	ask := reach(t.Context(), path)
	list := func(do string, most int) (messages []string) {
		_, err := ask(queueRequest{Do: do, Source: "queued"}, func(m delivery.StoredMessage) bool {
			messages = append(messages, about(m))
			return len(messages) < most
		})
		require.NoError(t, err)
		return messages
	}
	require.Len(t, list("waiting", 1), 1, "reading ends where enough is read")
	require.Len(t, list("waiting", 9), 3)
	require.Equal(t, []string{"damaged"}, list("dead", 9))
	answer, err := ask(queueRequest{Do: "check"}, nil)
	require.NoError(t, err)
	require.Equal(t, 3, answer.Stats[0].Waiting)
	require.Equal(t, 1, answer.Stats[0].Damaged)
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	require.True(t, bytes.Equal(data, after))
}
