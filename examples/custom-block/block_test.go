package customblock_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
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
			return customblock.Source{URL: url, Token: runtimetest.Secret, Retry: policy}
		},
	})
}

func TestFaultySources(t *testing.T) {
	for _, source := range []customblock.Source{
		{URL: "board.example.com", Token: "t"},
		{URL: "https://somebody:hush-hush@board.example.com", Token: "t"},
		{URL: "https://board.example.com"},
	} {
		_, err := runtime.New(registry.New(), runtime.Source("board", source))
		require.ErrorContains(t, err, `source "board"`)
		require.NotContains(t, err.Error(), "hush-hush")
	}
}

// A board that limits the rate is asked again when it says, with the same key.
func TestRateLimitIsWaitedOut(t *testing.T) {
	var calls atomic.Int32
	var keys [2]string
	board := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		n := calls.Add(1)
		keys[n-1] = r.Header.Get("Idempotency-Key")
		if n == 1 {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		w.WriteHeader(http.StatusCreated)
	}))
	defer board.Close()
	reg := registry.New()
	customblock.MustRegister(reg)
	rt, err := runtime.New(reg, runtime.Source("board", customblock.Source{URL: board.URL, Token: "a-token"}))
	require.NoError(t, err)
	defer rt.Close(t.Context())

	began := time.Now()
	res, err := rt.Invoke(t.Context(), "board_post", runtime.Map{"title": "Order o-1001 completed"})
	require.NoError(t, err)
	require.GreaterOrEqual(t, time.Since(began), time.Second)
	require.Equal(t, 2, res.Receipt.Attempts)
	require.Equal(t, 1, res.Receipt.Requests)
	require.Equal(t, 1, res.Receipt.Accepted)
	require.NotEmpty(t, keys[0])
	require.Equal(t, keys[0], keys[1])
}
