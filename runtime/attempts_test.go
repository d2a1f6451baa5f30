package runtime_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/runtime/retry"
)

func TestRecordAttempts(t *testing.T) {
	var n atomic.Int32
	rt := posting(t, retry.Policy{BaseDelay: 20 * time.Millisecond}, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Set-Cookie", "session=s3cret")
		w.Header().Set("X-Seen", r.Header.Get("Authorization"))
		switch n.Add(1) {
		case 1:
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, "down for "+sendSecret)
		case 2:
			panic(http.ErrAbortHandler)
		default:
			_, _ = io.WriteString(w, strings.Repeat("é", 40<<10))
		}
	})
	var attempts []runtime.Attempt
	res, err := rt.Invoke(t.Context(), "toy_post", runtime.Map{"title": "Hi"}, runtime.RecordAttempts(&attempts))
	require.Error(t, err, "the answer is too long, for good")
	require.Nil(t, res)
	doc, err := json.Marshal(attempts)
	require.NoError(t, err)
	require.NotContains(t, string(doc), "hush")
	require.NotContains(t, string(doc), "s3cret")

	first, second, third := attempts[0], attempts[1], attempts[2]
	require.Zero(t, first.WaitedMS)
	require.Equal(t, 503, first.Response.Status)
	require.Equal(t, "down for [redacted]", first.Response.Body)
	require.Equal(t, []string{"Bearer [redacted]"}, first.Response.Headers["X-Seen"])
	require.Equal(t, []string{"[redacted]"}, first.Response.Headers["Set-Cookie"])
	require.Empty(t, first.Error)
	require.Equal(t, "POST", first.Request.Method)
	require.True(t, strings.HasSuffix(first.Request.URL, "/notes"))
	require.Equal(t, "a note", first.Request.Body)
	require.Equal(t, []string{"Bearer [redacted]"}, first.Request.Headers["Authorization"])

	require.GreaterOrEqual(t, second.WaitedMS, 10.0, "the wait before the first retry")
	require.Equal(t, []string{"1"}, second.Request.Headers["X-Retry-Count"])
	require.Nil(t, second.Response)
	require.Contains(t, second.Error, "EOF")

	require.True(t, third.Response.Truncated)
	require.Equal(t, strings.Repeat("é", 32<<10), third.Response.Body)
	require.Contains(t, third.Error, "the answer is too long")
}

// TestAttemptsAreBounded: what is kept does not follow what a receiver sends.
func TestAttemptsAreBounded(t *testing.T) {
	rt := posting(t, retry.Policy{MaxRetries: 40, BaseDelay: time.Microsecond, MaxDelay: time.Microsecond},
		func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, strings.Repeat("x", 60<<10))
		})
	var attempts []runtime.Attempt
	for _, block := range []string{"toy_post", "toy_pos"} {
		_, err := rt.Invoke(t.Context(), block, runtime.Map{"title": "Hi"}, runtime.RecordAttempts(&attempts))
		require.Error(t, err)
		if block == "toy_pos" {
			require.Empty(t, attempts, "those of another invocation")
			break
		}
		require.Len(t, attempts, 41)
		bytes := 0
		for _, a := range attempts {
			bytes += len(a.Request.Body) + len(a.Response.Body)
		}
		require.Equal(t, 256<<10, bytes)
		require.True(t, attempts[40].Response.Truncated)
	}
}

func TestOnAttemptTellsNobody(t *testing.T) {
	var n atomic.Int32
	rt := posting(t, retry.Policy{}, answering(&n, "", 200))
	told := 0
	ctx := retry.OnAttempt(t.Context(), func(retry.Attempt) { told++ })
	for _, ctx := range []context.Context{ctx, retry.OnAttempt(ctx, nil)} {
		_, err := rt.Invoke(ctx, "toy_post", runtime.Map{"title": "Hi"})
		require.NoError(t, err)
	}
	require.Equal(t, 1, told, fmt.Sprint("of ", n.Load()))
}
