package importer_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/schemas"
	"github.com/aacflow/segment-blocks/segment/importer"
)

// state has the members of the state file that tests read.
type state struct {
	Done     bool
	Position struct{ Offset int }
	Counts   importer.Counts
	Ahead    int64
}

func stateOf(t *testing.T, path string) state {
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	var s state
	require.NoError(t, json.Unmarshal(data, &s))
	return s
}

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

// A panic ends the import like a failure, in whichever goroutine, and --resume continues after it.
func TestPanicKeepsTheCheckpoint(t *testing.T) {
	const events = 10_000
	for _, where := range []string{"sending", "reading"} {
		r := newReceiver(t)
		before, after, _ := strings.Cut(tracks(events, 50, 200),
			fmt.Sprintf("\n"+`{"type":"track","event":"E%d"`, events/2))
		in := file(t, "events.ndjson",
			before+fmt.Sprintf("\nno event\n"+`{"type":"track","event":"E%d"`, events/2)+after)
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
		require.Contains(t, string(panicked.Stack), "resume_test.go")
		require.Positive(t, counts.Accepted)

		o.Resume, where = true, ""
		require.False(t, stateOf(t, o.StatePath).Done)
		counts = run(t, o)
		require.EqualValues(t, events, counts.Accepted)
		require.EqualValues(t, 1, counts.Rejected)
		requireOrder(t, r, events)
	}
}

// The import of a file whose imported part was edited is not resumed, even if its size, beginning
// and end are unchanged.
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
		require.ErrorContains(t, err, "has changed since; --restart starts again")
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

// If somebody is writing the last line, its event is left for the next run.
func TestFileThatIsBeingWritten(t *testing.T) {
	r := newReceiver(t)
	in := file(t, "events.ndjson", tracks(10, 1, 0)+`{"type":"track","event":"La`)
	o := importer.Options{
		Files: []string{in}, Invoke: invoker(t, r.URL), Key: key, StatePath: in + ".state", Resume: true,
	}
	im, err := importer.New(o)
	require.NoError(t, err)
	counts, err := im.Run(t.Context())
	require.ErrorIs(t, err, importer.ErrCut)
	require.ErrorContains(t, err, "the event that begins at line 11 is never closed")
	require.EqualValues(t, 10, counts.Accepted)
	require.Zero(t, counts.Rejected)

	require.NoError(t, os.WriteFile(in, []byte(tracks(10, 1, 0)+`{"type":"track","event":"Last","userId":"u"}`), 0o600))
	counts = run(t, o)
	require.EqualValues(t, 11, counts.Accepted)
	require.Zero(t, counts.Repeated)
	require.Len(t, r.events(), 11)
}

// A packed file that is cut off is imported up to there, and the import continues there with the
// whole file.
func TestCutFile(t *testing.T) {
	r := newReceiver(t)
	var text strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&text, `{"type":"track","event":"E%d","userId":"u-%d","properties":{"n":%d}}`+"\n", i, i%7,
			i*i*7919%100_003)
	}
	whole := pack(t, text.String())
	in := file(t, "events.ndjson.gz", whole[:len(whole)*2/3])
	o := importer.Options{Files: []string{in}, Invoke: invoker(t, r.URL), Key: key, StatePath: in + ".state"}
	im, err := importer.New(o)
	require.NoError(t, err)
	counts, err := im.Run(t.Context())
	require.ErrorIs(t, err, importer.ErrCut)
	require.ErrorContains(t, err, fmt.Sprintf("in line %d: %s", counts.Accepted+1, in))
	require.Greater(t, counts.Accepted, int64(2000))
	require.Len(t, r.events(), int(counts.Accepted))

	left := stateOf(t, o.StatePath)
	require.False(t, left.Done)
	require.Zero(t, left.Ahead)

	o.Resume = true
	resume := func(text string) (importer.Counts, error) {
		o.Files = []string{file(t, "events.ndjson.gz", pack(t, text))}
		im, err := importer.New(o)
		require.NoError(t, err)
		return im.Run(t.Context())
	}
	_, err = resume(strings.ReplaceAll(text.String(), "track", "TRACK"))
	var input *importer.InputError
	require.ErrorAs(t, err, &input, "it begins otherwise")
	counts, err = resume(text.String())
	require.NoError(t, err)
	require.EqualValues(t, 5000, counts.Accepted)
	require.Zero(t, counts.Repeated)
	requireOrder(t, r, 5000)

	requests := r.count
	counts, err = resume(text.String())
	require.NoError(t, err)
	require.EqualValues(t, 5000, counts.Accepted)
	require.Equal(t, requests, r.count, "the whole file is known from now on")
}

// pack packs a text.
func pack(t *testing.T, text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := io.WriteString(w, text)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.String()
}

// A state of an older release would send events with other ids, and a state that was edited may say
// anything.
func TestStatesOfOthers(t *testing.T) {
	r := newReceiver(t)
	in := file(t, "a.ndjson", tracks(10, 1, 0))
	o := importer.Options{Files: []string{in}, Invoke: invoker(t, r.URL), Key: key, StatePath: in + ".state"}
	run(t, o)
	state, err := os.ReadFile(o.StatePath)
	require.NoError(t, err)
	for member, problem := range map[string]string{
		`"version": 2`:       "the state was written by another release, which gives events other messageIds",
		`"version": 0`:       "the file does not hold the state of an import",
		`"file": 1`:          "the file does not hold the state of an import",
		`"file": -1`:         "the file does not hold the state of an import",
		`"line": -1`:         "the file does not hold the state of an import",
		`"offset": -1`:       "the file does not hold the state of an import",
		`"rejectsBytes": -1`: "the file does not hold the state of an import",
	} {
		name, _, _ := strings.Cut(member, ":")
		edited := regexp.MustCompile(name+`: \d+`).ReplaceAllLiteral(state, []byte(member))
		require.NotEqual(t, state, edited, member)
		require.NoError(t, os.WriteFile(o.StatePath, edited, 0o600))
		im, err := importer.New(o)
		require.NoError(t, err)
		_, err = im.Run(t.Context())
		require.ErrorContains(t, err, problem, member)
	}
	old := bytes.Replace(state, []byte(`"version": 3`), []byte(`"version": 2`), 1)
	require.NoError(t, os.WriteFile(o.StatePath, old, 0o600))
	o.Restart = true
	run(t, o)
	require.Len(t, r.seen, 10, "the ids are those of the file")
}

// An import of a list resumes behind any of its events, also if the rest of the list was corrected.
func TestListGoesOn(t *testing.T) {
	const events = 20_000
	r := newReceiver(t)
	r.answer = func(request int) int {
		if request > 5 {
			return 401
		}
		return 0
	}
	list := "[" + strings.ReplaceAll(strings.TrimSpace(tracks(events, 50, 200)), "}\n", "},\n ") + "]"
	broken := strings.TrimSuffix(list, "}]")
	in := file(t, "events.json", broken)
	o := importer.Options{Files: []string{in}, Invoke: invoker(t, r.URL), Key: key, StatePath: in + ".state"}
	im, err := importer.New(o)
	require.NoError(t, err)
	_, err = im.Run(t.Context())
	require.Error(t, err)
	o.Resume, r.answer = true, nil
	im, err = importer.New(o)
	require.NoError(t, err)
	counts, err := im.Run(t.Context())
	require.ErrorIs(t, err, importer.ErrCut)
	require.ErrorContains(t, err, fmt.Sprintf("the event that begins at line %d is never closed: %s", events, in))
	require.EqualValues(t, events-1, counts.Accepted)
	require.NoError(t, os.WriteFile(in, []byte(list), 0o600))
	require.EqualValues(t, events, run(t, o).Accepted)
	requireOrder(t, r, events)
	for id, n := range r.seen {
		require.LessOrEqual(t, n, 2, id)
	}
}
