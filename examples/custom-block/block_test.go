package customblock_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	customblock "github.com/aacflow/segment-blocks/examples/custom-block"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/runtime/retry"
	"github.com/aacflow/segment-blocks/runtime/runtimetest"
)

func TestAcceptance(t *testing.T) {
	runtimetest.Run(t, runtimetest.Driver{
		Register: customblock.Register,
		Source: func(url string) any {
			policy := retry.Policy{MaxRetries: 1, BaseDelay: time.Millisecond}
			return customblock.Source{URL: url, APIKey: runtimetest.Secret, Retry: policy}
		},
	})
}

func TestFaultySources(t *testing.T) {
	for want, source := range map[string]customblock.Source{
		"must begin with https":       {URL: "tally.example.com", APIKey: "a-key-of-tally"},
		"must not hold a user":        {URL: "https://somebody:hush-hush@tally.example.com", APIKey: "a-key-of-tally"},
		"must use https":              {URL: "http://tally.example.com", APIKey: "a-key-of-tally"},
		"the source must have an API": {URL: "https://tally.example.com"},
	} {
		_, err := runtime.New(registry.New(), runtime.Source("tally", source))
		require.ErrorContains(t, err, `source "tally": `)
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "hush-hush")
	}
}

// event is an event as Tally receives it.
type event struct {
	User     string    `json:"user_id"`
	InsertID string    `json:"insert_id"`
	Time     time.Time `json:"time"`
}

// tally is a receiver that answers each request with the next status, and repeats the last one.
func tally(t *testing.T, statuses ...int) (url string, requests *[][]event) {
	requests = &[][]event{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, _ := io.ReadAll(r.Body)
		var body struct {
			Key    string `json:"api_key"`
			Events []event
		}
		if r.URL.Path != "/2/httpapi" || json.Unmarshal(data, &body) != nil || body.Key != "a-key-of-tally" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		*requests = append(*requests, body.Events)
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(statuses[min(len(*requests), len(statuses))-1])
	}))
	t.Cleanup(server.Close)
	return server.URL, requests
}

func start(t *testing.T, url string) *runtime.Runtime {
	reg := registry.New()
	customblock.MustRegister(reg)
	rt, err := runtime.New(reg, runtime.Source("tally", customblock.Source{URL: url, APIKey: "a-key-of-tally"}))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, rt.Close(context.Background())) })
	return rt
}

// A receiver that limits the rate is asked again when it says, and can tell the repeat.
func TestRateLimitIsWaitedOut(t *testing.T) {
	url, requests := tally(t, http.StatusTooManyRequests, http.StatusOK)
	began := time.Now()
	res, err := start(t, url).Invoke(t.Context(), "tally_event",
		runtime.Map{"user_id": "u-42", "event_type": "Signed Up"})
	require.NoError(t, err)
	require.GreaterOrEqual(t, time.Since(began), time.Second)
	require.Equal(t, []int{2, 1, 1}, []int{res.Receipt.Attempts, res.Receipt.Requests, res.Receipt.Accepted})
	require.Len(t, *requests, 2)
	require.Equal(t, (*requests)[0], (*requests)[1])
	require.Equal(t, res.Receipt.MessageIDs[0], (*requests)[0][0].InsertID)
	require.WithinDuration(t, began, (*requests)[0][0].Time, time.Minute)
}

// A batch is one request, each event with an id of its own and in its place.
func TestBatch(t *testing.T) {
	url, requests := tally(t, http.StatusOK)
	res, err := start(t, url).Invoke(t.Context(), "tally_batch", runtime.JSON(
		`{"events":[{"user_id":"u-1","event_type":"e","time":"2026-01-31T09:30:00Z"},
			{"user_id":"u-2","event_type":"e"}]}`))
	require.NoError(t, err)
	require.JSONEq(t, `{"accepted":2}`, string(res.Output))
	require.Len(t, *requests, 1)
	sent := (*requests)[0]
	require.Equal(t, []string{"u-1", "u-2"}, []string{sent[0].User, sent[1].User})
	require.Equal(t, res.Receipt.MessageIDs, []string{sent[0].InsertID, sent[1].InsertID})
	require.NotEqual(t, sent[0].InsertID, sent[1].InsertID)
	require.Equal(t, 2026, sent[0].Time.Year())

	_, err = start(t, url).Invoke(t.Context(), "tally_batch", runtime.JSON(`{"events":[{"user_id":7},{"x":1}]}`))
	require.ErrorContains(t, err, "tally_batch refused its input, nothing was sent")
	require.Len(t, runtime.ErrorOf(err).Violations, 5)
	require.Len(t, *requests, 1)
}
