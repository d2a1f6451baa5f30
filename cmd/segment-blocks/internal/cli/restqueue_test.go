package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/segment/emulator"
	"github.com/aacflow/segment-blocks/serve/rest"
)

// TestDeliveryOverREST watches a durable source through a rate limit and a refused message.
func TestDeliveryOverREST(t *testing.T) {
	segment, err := emulator.Start()
	require.NoError(t, err)
	defer segment.Close(t.Context())
	const key = "plantedKeyplantedKeyplantedKey42"
	s := startServing(t, []string{
		"SEGMENT_WRITE_KEY=" + key, "SEGMENT_ENDPOINT=" + segment.URL, "SEGMENT_DELIVERY=durable",
		"SEGMENT_STORE=" + filepath.Join(t.TempDir(), "queue.store"),
	}, "--quiet")
	ask := func(method, path, body string) string {
		req, err := http.NewRequestWithContext(t.Context(), method, s.url+path, strings.NewReader(body))
		require.NoError(t, err)
		req.Header.Set("Content-Type", "application/json")
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.NotContains(t, string(text), key)
		return string(text)
	}
	type state struct {
		Delivery              string
		Sent, Stored, Retried int
		Queue                 rest.QueueState
	}
	delivery := func() (d state) {
		require.NoError(t, json.Unmarshal([]byte(ask("GET", "/v1/sources/environment/delivery", "")), &d))
		return d
	}
	eventually := func(fits func(state) bool, what string) {
		t.Helper()
		require.Eventually(t, func() bool { return fits(delivery()) }, 20*time.Second, 10*time.Millisecond, what)
	}
	track := func() {
		require.Contains(t, ask("POST", "/v1/blocks/segment_track/invoke",
			`{"input":{"event":"E","userId":"planted-id"}}`), `"stored":1`)
	}
	track()
	eventually(func(d state) bool { return d.Sent == 1 && d.Stored == 1 && d.Queue.Waiting == 0 }, "it is sent")
	require.Equal(t, "durable", delivery().Delivery)

	require.NoError(t, segment.Script(emulator.Fault{Status: 429, RetryAfter: "2"}))
	track()
	eventually(func(d state) bool {
		return d.Queue.Waiting == 1 && !d.Queue.Oldest.IsZero() && strings.Contains(d.Queue.LastError, "429") &&
			time.Until(d.Queue.WaitsUntil) > time.Second
	}, "it waits for the rate limit")
	eventually(func(d state) bool {
		return d.Sent == 2 && d.Retried == 1 && d.Queue.LastError == "" && d.Queue.WaitsUntil.IsZero()
	}, "and is sent")

	require.NoError(t, segment.Script(emulator.Fault{Status: 400, Times: 2}))
	track()
	eventually(func(d state) bool { return d.Queue.Dead == 1 }, "it is refused")
	const letters = "/v1/sources/environment/dead-letters"
	var page struct{ DeadLetters []rest.DeadLetter }
	list := ask("GET", letters, "")
	require.NotContains(t, list, "planted-id")
	require.NoError(t, json.Unmarshal([]byte(list), &page))
	require.Len(t, page.DeadLetters, 1)
	require.Contains(t, page.DeadLetters[0].Reason, "400")
	require.Contains(t, ask("POST", letters+"/drop", `{"ids":[99]}`),
		"has no dead letters with these ids, and nothing was changed: 99")
	require.Contains(t, ask("POST", letters+"/drop", `{"ids":[99]}`), `"status":422`)
	ids := fmt.Sprintf(`{"ids":[%d]}`, page.DeadLetters[0].ID)
	require.JSONEq(t, `{"changed":1}`, ask("POST", letters+"/retry", ids))
	eventually(func(d state) bool { return d.Queue.Dead == 1 && d.Queue.Waiting == 0 }, "it is refused again")
	require.JSONEq(t, `{"changed":1}`, ask("POST", letters+"/drop", `{"all":true}`))
	require.Zero(t, delivery().Queue.Dead)
}
