package blocks_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/segment/emulator"
)

// The same invocation has the same message ids, always and everywhere. Another source, type,
// position or invocation has others.
func TestPromiseMessageIDsAreDerived(t *testing.T) {
	b := start(t)
	const track, id = `{"event":"e","userId":"u"}`, "run-7/node-3/0"
	first := b.accepted("segment_track", track, runtime.InvocationID(id)).Receipt.MessageIDs
	require.Equal(t, []string{"sb1-6b35ec8cc0bf60c1bb56d64f3d3eba23"}, first,
		"derived another way, a host that is updated would double events")

	again := open(t, runtime.Source("another name", b.source))
	res, err := again.Invoke(t.Context(), "segment_track", runtime.JSON(`{"event":"changed","userId":"v"}`),
		runtime.InvocationID(id))
	require.NoError(t, err)
	require.Equal(t, first, res.Receipt.MessageIDs)

	others := map[string]bool{first[0]: true}
	for name, ids := range map[string][]string{
		"another key": b.accepted("segment_track", `{"event":"e","userId":"u","writeKey":"`+anotherKey+`"}`,
			runtime.InvocationID(id)).Receipt.MessageIDs,
		"another invocation": b.accepted("segment_track", track, runtime.InvocationID(id+"0")).Receipt.MessageIDs,
		"a long invocation id": b.accepted("segment_batch", trackBatch(3),
			runtime.InvocationID(strings.Repeat("run/", 500))).Receipt.MessageIDs,
		"another type": b.accepted("segment_page", `{"userId":"u"}`, runtime.InvocationID(id)).Receipt.MessageIDs,
		"no id":        b.accepted("segment_track", track).Receipt.MessageIDs,
		"no id, again": b.accepted("segment_track", track).Receipt.MessageIDs,
		"places of a batch": b.accepted("segment_batch", trackBatch(50),
			runtime.InvocationID(id)).Receipt.MessageIDs[1:],
	} {
		for _, m := range ids {
			require.False(t, others[m], "%s must have ids of its own", name)
			others[m] = true
			require.Less(t, len(m), 100)
			require.NotContains(t, m, testKey)
		}
	}
}

// success is true only after a 2xx, and the receipt counts no message before.
func TestPromiseSuccessOnlyAfter2xx(t *testing.T) {
	for status := 200; status <= 599; status++ {
		if http.StatusText(status) == "" && status != 460 && status != 299 {
			continue
		}
		b := start(t, retrying(fast(-1)))
		b.script(emulator.Fault{Status: status})
		res, err := b.invoke("segment_track", `{"event":"e","userId":"u"}`)
		if status < 300 {
			require.NoError(t, err, status)
			require.JSONEq(t, `{"success":true,"event":"e","userId":"u","anonymousId":null}`, string(res.Output))
			require.Equal(t, 1, res.Receipt.Accepted)
			continue
		}
		e := asError(t, err)
		require.Nil(t, res)
		require.Equal(t, status, e.Status)
		require.Zero(t, e.Receipt.Accepted)
	}
}

func TestPromiseReceiptsSayWhatHappened(t *testing.T) {
	b := start(t)
	b.script(emulator.Fault{Status: 503})
	begun := time.Now()
	r := b.accepted("segment_batch", trackBatch(3), runtime.InvocationID("run-1"), runtime.ToSource("test")).Receipt
	bytes := 0
	for _, request := range b.requests() {
		bytes += len(request.body)
	}
	require.Equal(t, "run-1", r.InvocationID)
	require.Equal(t, "segment_batch", r.Block)
	require.Equal(t, "test", r.Source)
	require.Equal(t, b.url, r.Endpoint)
	require.Equal(t, 3, r.Accepted)
	require.Equal(t, []int{1, 2, bytes}, []int{r.Requests, r.Attempts, int(r.Bytes)})
	require.WithinDuration(t, begun, r.StartedAt, time.Second)
	require.Positive(t, r.Duration)
	require.Empty(t, r.Warnings)
	var stored []string
	for _, ev := range b.stored() {
		stored = append(stored, ev.MessageID)
	}
	require.Equal(t, stored, r.MessageIDs)
}

func TestPromiseCanceledBefore(t *testing.T) {
	b := start(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for block, input := range map[string]string{
		"segment_track": `{"event":"e","userId":"u"}`,
		"segment_batch": trackBatch(2),
	} {
		_, err := b.rt.Invoke(ctx, block, runtime.JSON(input))
		e := asError(t, err)
		require.Equal(t, runtime.Canceled, e.Code)
		require.ErrorIs(t, err, context.Canceled)
		require.Contains(t, e.Error(), "nothing was sent")
		require.Zero(t, e.Receipt.Attempts)

		_, err = b.rt.Invoke(t.Context(), block, runtime.JSON(input), runtime.Deadline(time.Now().Add(-time.Second)))
		e = asError(t, err)
		require.Equal(t, runtime.DeadlineExceeded, e.Code)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.True(t, e.Retryable)
	}
	require.Empty(t, b.requests())
}

func TestPromiseCanceledDuring(t *testing.T) {
	for name, fault := range map[string]emulator.Fault{
		"an attempt":         {Delay: time.Minute},
		"the wait for a try": {Status: 503, RetryAfter: "60"},
		"a rate limit":       {Status: 429, RetryAfter: "60"},
	} {
		t.Run(name, func(t *testing.T) {
			b := start(t)
			b.script(fault)
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				for len(b.requests()) == 0 {
					time.Sleep(time.Millisecond)
				}
				time.Sleep(100 * time.Millisecond) // an answer, if there is one, has arrived by then
				cancel()
			}()
			begun := time.Now()
			_, err := b.rt.Invoke(ctx, "segment_batch", runtime.JSON(trackBatch(2)), runtime.InvocationID("run-1"))
			require.Less(t, time.Since(begun), 5*time.Second)
			e := asError(t, err)
			require.Equal(t, runtime.Canceled, e.Code)
			require.ErrorIs(t, err, context.Canceled)
			require.Equal(t, 1, e.Receipt.Attempts)
			want := runtime.ItemUnconfirmed
			if fault.Status == 429 {
				want = runtime.ItemRejected // a clear no; a 503 may come from a proxy that had passed it on
			}
			for _, item := range e.Items {
				require.Equal(t, want, item.Status)
			}
		})
	}
	t.Run("deadline", func(t *testing.T) {
		b := start(t)
		b.script(emulator.Fault{Delay: time.Minute})
		_, err := b.rt.Invoke(t.Context(), "segment_track", runtime.JSON(`{"event":"e","userId":"u"}`),
			runtime.Deadline(time.Now().Add(50*time.Millisecond)))
		e := asError(t, err)
		require.Equal(t, runtime.DeadlineExceeded, e.Code)
		require.True(t, e.Retryable)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

// Invocations at the same time share only the client.
func TestPromiseManyAtOnce(t *testing.T) {
	b := start(t)
	meet := make(chan struct{}, 2)
	both := receiver(t, func(w http.ResponseWriter, _ *http.Request) {
		meet <- struct{}{}
		for len(meet) < 2 {
			time.Sleep(time.Millisecond)
		}
		_, _ = io.WriteString(w, `{"success":true}`)
	})
	rt := open(t, runtime.Source("both", both))
	errs := atOnce(2, func(int) error {
		_, err := rt.Invoke(t.Context(), "segment_track", runtime.JSON(`{"event":"e","userId":"u"}`))
		return err
	})
	require.NoError(t, errors.Join(errs...))

	const n = 200
	outputs := make([]string, n)
	errs = atOnce(n, func(i int) error {
		res, err := b.rt.Invoke(t.Context(), "segment_identify",
			runtime.Map{"userId": fmt.Sprintf("u-%d", i), "traits": map[string]any{"n": i}})
		if err == nil {
			outputs[i] = string(res.Output)
		}
		return err
	})
	require.NoError(t, errors.Join(errs...))
	for i, output := range outputs {
		require.JSONEq(t, fmt.Sprintf(`{"success":true,"userId":"u-%d","anonymousId":null}`, i), output)
	}
	require.Len(t, b.stored(), n)
	for _, ev := range b.stored() {
		require.Contains(t, string(ev.Message), fmt.Sprintf(`"traits":{"n":%s}`, ev.UserID[2:]))
	}
}

// atOnce runs f n times at the same time and returns what each returned.
func atOnce(n int, f func(i int) error) []error {
	errs := make([]error, n)
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() { errs[i] = f(i) })
	}
	group.Wait()
	return errs
}
