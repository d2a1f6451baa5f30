package importer_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/schemas"
	"github.com/aacflow/segment-blocks/segment/importer"
)

func TestFailureKeepsTheCheckpoint(t *testing.T) {
	const events = 20_000
	r := newReceiver(t)
	r.answer = func(request int) int {
		if request > 5 {
			return 401
		}
		return 0
	}
	in := file(t, "events.ndjson", tracks(events, 50, 200))
	o := importer.Options{
		Files: []string{in}, Invoke: invoker(t, r.URL), Key: key, StatePath: in + ".state",
	}
	im, err := importer.New(o)
	require.NoError(t, err)
	counts, err := im.Run(t.Context())
	var failed *importer.DeliveryError
	require.ErrorAs(t, err, &failed)
	require.Equal(t, runtime.Unauthorized, runtime.ErrorOf(err).Code)
	require.Positive(t, counts.Accepted)
	require.LessOrEqual(t, failed.First, failed.Last)

	state := stateOf(t, o.StatePath)
	require.False(t, state.Done)
	require.Equal(t, counts.Accepted, state.Counts.Accepted+state.Ahead)
	r.answer = nil
	o.Resume = true
	counts = run(t, o)
	require.EqualValues(t, events, counts.Accepted)
	require.Equal(t, state.Ahead, counts.Repeated)
	requireOrder(t, r, events)
	state = stateOf(t, o.StatePath)
	require.True(t, state.Done)
	require.Equal(t, counts.Accepted, state.Counts.Accepted)
}

// A panic ends the import like a failure, whichever goroutine it is in, and --resume goes on after
// it.
func TestPanicKeepsTheCheckpoint(t *testing.T) {
	const events = 10_000
	for _, where := range []string{"sending", "reading"} {
		r := newReceiver(t)
		before, after, _ := strings.Cut(tracks(events, 50, 200), fmt.Sprintf("\n"+`{"type":"track","event":"E%d"`, events/2))
		in := file(t, "events.ndjson", before+fmt.Sprintf("\nno event\n"+`{"type":"track","event":"E%d"`, events/2)+after)
		o := importer.Options{
			Files: []string{in}, Key: key, StatePath: in + ".state", RejectsPath: in + ".rejects",
		}
		send := invoker(t, r.URL)
		var calls atomic.Int32
		o.Invoke = func(ctx context.Context, batch runtime.JSON) (*runtime.Receipt, error) {
			if calls.Add(1) == 6 && where == "sending" {
				panic("out of order")
			}
			return send(ctx, batch)
		}
		o.Rejected = func(string, int64, []schemas.Violation) {
			if where == "reading" {
				panic("out of order")
			}
		}
		im, err := importer.New(o)
		require.NoError(t, err)
		counts, err := im.Run(t.Context())
		var panicked *importer.PanicError
		require.ErrorAs(t, err, &panicked)
		require.EqualError(t, panicked, "panic: out of order")
		require.Contains(t, string(panicked.Stack), "importer_test.go")
		require.Positive(t, counts.Accepted)

		o.Resume, where = true, ""
		require.False(t, stateOf(t, o.StatePath).Done)
		counts = run(t, o)
		require.EqualValues(t, events, counts.Accepted)
		require.EqualValues(t, 1, counts.Rejected)
		requireOrder(t, r, events)
	}
}

// A file that was edited where it has been imported is not gone on with, although its size,
// beginning and end are as before.
func TestEditedFileIsNotResumed(t *testing.T) {
	const events = 20_000
	r := newReceiver(t)
	r.answer = func(request int) int {
		if request > 8 {
			return 401
		}
		return 0
	}
	text := tracks(events, 50, 200)
	in := file(t, "events.ndjson", text)
	o := importer.Options{
		Files: []string{in}, Invoke: invoker(t, r.URL), Key: key, Concurrency: 1,
		StatePath: in + ".state",
	}
	runs := func() (importer.Counts, error) {
		im, err := importer.New(o)
		require.NoError(t, err)
		return im.Run(t.Context())
	}
	_, err := runs()
	require.Error(t, err)
	r.answer = nil
	o.Resume = true
	left := stateOf(t, o.StatePath)
	at := left.Position.Offset
	require.Greater(t, at, 300_000)
	require.Less(t, at, len(text)-300_000)
	requests := r.count

	for name, edited := range map[string]string{
		"a value":      text[:200_000] + strings.Replace(text[200_000:], "xxx", "xyx", 1),
		"a line break": text[:200_000] + strings.Replace(text[200_000:], `}}`+"\n", "}\n}", 1),
		"shorter line": text[:200_000] + strings.Replace(text[200_000:at], "x", "", 1) + "x" + text[at:],
	} {
		require.Len(t, edited, len(text))
		require.NoError(t, os.WriteFile(in, []byte(edited), 0o600))
		_, err = runs()
		var input *importer.InputError
		require.ErrorAs(t, err, &input, name)
		require.ErrorContains(t, err, "has changed since; --restart begins again")
		require.Equal(t, requests, r.count, "nothing is sent")
		require.Equal(t, left.Position, stateOf(t, o.StatePath).Position)
	}

	later := text[:at] + strings.Replace(text[at:], "xxx", "xyx", 1) // which has not been imported yet
	require.NoError(t, os.WriteFile(in, []byte(later), 0o600))
	counts, err := runs()
	require.NoError(t, err)
	require.EqualValues(t, events, counts.Events)
	require.EqualValues(t, events, counts.Accepted)
}

// An event does not wait for others to fill a batch when the input comes slowly.
func TestSlowInput(t *testing.T) {
	r := newReceiver(t)
	from, to := io.Pipe()
	im, err := importer.New(importer.Options{
		Files: []string{importer.Stdin}, Stdin: from, Invoke: invoker(t, r.URL),
		Key: key,
	})
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() {
		_, err := im.Run(t.Context())
		done <- err
	}()
	_, err = io.WriteString(to, tracks(1, 1, 0))
	require.NoError(t, err)
	require.Eventually(t, func() bool { return len(r.events()) == 1 }, 5*time.Second, 10*time.Millisecond)
	require.NoError(t, to.Close())
	require.NoError(t, <-done)
}

func TestCanceledWhileReading(t *testing.T) {
	r := newReceiver(t)
	from, to := io.Pipe()
	defer to.Close()
	im, err := importer.New(importer.Options{
		Files: []string{importer.Stdin}, Stdin: from, Invoke: invoker(t, r.URL),
		Key: key,
	})
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = im.Run(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestGraceEndsWhatHangs(t *testing.T) {
	in := file(t, "events.ndjson", tracks(10, 1, 0))
	ctx, cancel := context.WithCancel(t.Context())
	o := importer.Options{
		Files: []string{in}, Key: key, Grace: 100 * time.Millisecond,
		Invoke: func(ctx context.Context, _ runtime.JSON) (*runtime.Receipt, error) {
			cancel()
			<-ctx.Done()
			return nil, &runtime.Error{Code: runtime.Canceled, Err: ctx.Err()}
		},
	}
	im, err := importer.New(o)
	require.NoError(t, err)
	_, err = im.Run(ctx)
	require.ErrorIs(t, err, context.Canceled)
	var failed *importer.DeliveryError
	require.False(t, errors.As(err, &failed), "the interrupt came first")
}
