package tracking_test

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/go-resty/resty/v2"
	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/runtime/retry"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

func TestCallersRestyClient(t *testing.T) {
	t.Run("its retries do not apply, and stay as they are", func(t *testing.T) {
		r := newReceiver(t, reply{status: 400})
		http := resty.NewWithClient(r.Client()).SetRetryCount(5).AddRetryCondition(func(*resty.Response,
			error,
		) bool {
			return true
		})
		_, err := r.source().Send(t.Context(), tracking.NewClient(http), alone(order(t)))
		require.Error(t, err)
		require.Len(t, r.requests(), 1)
		require.Equal(t, 5, http.RetryCount)
	})
	t.Run("its request hooks do", func(t *testing.T) {
		r := newReceiver(t)
		http := resty.NewWithClient(r.Client()).OnBeforeRequest(func(_ *resty.Client, req *resty.Request) error {
			req.SetHeader("Traceparent", "00-1")
			return nil
		})
		_, err := r.source().Send(t.Context(), tracking.NewClient(http), alone(order(t)))
		require.NoError(t, err)
		require.Equal(t, "00-1", r.requests()[0].header.Get("Traceparent"))
	})
	t.Run("a hook that fails ends it", func(t *testing.T) {
		r := newReceiver(t)
		boom := errors.New("boom " + string(testKey))
		http := resty.NewWithClient(r.Client()).OnBeforeRequest(func(*resty.Client, *resty.Request) error {
			return boom
		})
		report, err := r.source().Send(t.Context(), tracking.NewClient(http), alone(order(t)))
		failure(t, err)
		require.Empty(t, r.requests())
		require.Equal(t, 1, report.Attempts)
		require.Equal(t, tracking.Unsent, report.Messages[0].Status)
	})
	t.Run("its debug log does not show the key", func(t *testing.T) {
		r := newReceiver(t)
		var written lockedBuilder
		http := resty.NewWithClient(r.Client()).SetDebug(true).SetLogger(&written)
		_, err := r.source().Send(t.Context(), tracking.NewClient(http), alone(order(t)))
		require.NoError(t, err)
		requireClean(t, written.text())
	})
}

func TestOnRetry(t *testing.T) {
	r := newReceiver(t, reply{status: 500}, reply{reset: true}, reply{body: `{"success":tr`}, reply{})
	var seen []retry.Wait
	ctx := retry.OnRetry(t.Context(), func(r retry.Wait) { seen = append(seen, r) })
	client := r.client(tracking.WithVersion("1.2.3"))
	source := r.source()
	source.Retry.MaxRetries = 4
	_, err := source.Send(ctx, client, alone(order(t)))
	require.NoError(t, err)
	require.Len(t, seen, 3)
	require.Equal(t, []int{2, 5, 3, 5}, []int{seen[0].Attempt, seen[0].Of, seen[1].Attempt, seen[1].Of})
	require.Equal(t, "500", seen[0].Cause)
	require.NotEmpty(t, seen[1].Cause)
	require.Equal(t, "200; the answer is not valid JSON", seen[2].Cause)
	require.Positive(t, seen[0].In)
	require.Equal(t, "segment-blocks/1.2.3", r.requests()[0].header.Get("User-Agent"))
}

type lockedBuilder struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lockedBuilder) Errorf(format string, _ ...any) { l.write(format) }
func (l *lockedBuilder) Warnf(format string, _ ...any)  { l.write(format) }
func (l *lockedBuilder) Debugf(format string, v ...any) {
	l.write(format)
	for _, x := range v {
		if s, ok := x.(string); ok {
			l.write(s)
		}
	}
}

func (l *lockedBuilder) write(s string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b.WriteString(s)
}

func (l *lockedBuilder) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
