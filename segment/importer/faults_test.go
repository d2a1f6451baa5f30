package importer_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	goruntime "runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/schemas"
	"github.com/aacflow/segment-blocks/segment/importer"
)

// Two events with the same messageId are told of by their lines, whoever they are about, also
// behind a stop.
func TestGivenIDsTwice(t *testing.T) {
	r := newReceiver(t)
	line := func(id, user string) string {
		return fmt.Sprintf(`{"type":"track","event":"A","userId":%q,"messageId":"%s"}`+"\n", user, id)
	}
	text := line("a", "u1") + "not json\n" + line("b", "u2") + line(`\u0061`, "u3") + line("a", "u1") + line("c", "u4")
	in := file(t, "events.ndjson", text)
	var said []string
	o := importer.Options{
		Files: []string{in}, Invoke: invoker(t, r.URL), StatePath: in + ".state",
		Warned: func(_ string, line int64, w schemas.Violation) {
			said = append(said, fmt.Sprintf("%d %s %s %s", line, w.Path, w.Code, w.Message))
		},
	}
	counts := run(t, o)
	require.Equal(t, []string{"4 /messageId duplicate_message_id is that of line 1 too, and the receiver keeps one " +
		"of them"}, said)
	require.EqualValues(t, 2, counts.Duplicates)
	require.Len(t, r.seen, 3)
	require.EqualValues(t, 2, stateOf(t, o.StatePath).Counts.Duplicates)
}

// What cannot be sent gives its messageId to nobody.
func TestRejectsHaveNoID(t *testing.T) {
	r := newReceiver(t)
	in := file(t, "events.ndjson",
		`{"type":"track","userId":"u","messageId":"a"}`+"\n"+strings.Repeat("\n", 10)+tracks(200, 1, 0)+
			`{"type":"track","event":"A","userId":"u","messageId":"a"}`+"\n")
	// the first batch is settled before the last event is read
	counts := run(t, importer.Options{Files: []string{in}, Invoke: invoker(t, r.URL), Concurrency: 1})
	require.EqualValues(t, 201, counts.Accepted)
	require.Zero(t, counts.Duplicates)
}

func full(t *testing.T) {
	if goruntime.GOOS != "linux" {
		t.Skip("there is no device here that is always full")
	}
}

// Rejects that cannot be written stop the import, and are none in the summary; with room elsewhere
// it goes on.
func TestRejectsThatCannotBeWritten(t *testing.T) {
	full(t)
	r := newReceiver(t)
	in := file(t, "events.ndjson", tracks(200, 3, 0)+strings.Repeat("not json\n", 30)+tracks(100, 3, 1))
	o := importer.Options{
		Files: []string{in}, Invoke: invoker(t, r.URL), Key: key, StatePath: in + ".state", RejectsPath: "/dev/full",
	}
	im, err := importer.New(o)
	require.NoError(t, err)
	counts, err := im.Run(t.Context())
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.Equal(t, 1, strings.Count(err.Error(), "cannot write the rejects"))
	require.ErrorContains(t, err, "make room, or name another file with --rejects")
	require.Zero(t, counts.Rejected)

	require.Zero(t, stateOf(t, o.StatePath).Counts.Rejected)
	o.Resume, o.RejectsPath = true, in+".rejects"
	counts = run(t, o)
	require.EqualValues(t, 30, counts.Rejected)
	require.Len(t, readRejects(t, o.RejectsPath), 30)
	require.EqualValues(t, 300, counts.Accepted)
	require.Len(t, r.events(), 300)
}

// A folder that is missing is known before anything is sent, and leaves no state.
func TestRejectsWithoutAFolder(t *testing.T) {
	r := newReceiver(t)
	in := file(t, "events.ndjson", tracks(10, 1, 0))
	o := importer.Options{
		Files: []string{in}, Invoke: invoker(t, r.URL), Key: key, StatePath: in + ".state",
		RejectsPath: filepath.Join(t.TempDir(), "missing", "rejects"),
	}
	im, err := importer.New(o)
	require.NoError(t, err)
	_, err = im.Run(t.Context())
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, "create the folder, or name another file with --rejects")
	require.NoFileExists(t, o.StatePath)
	require.Zero(t, r.count)
}

// picky refuses requests that have one of some events in them, and passes all others on to a
// receiver.
func picky(r *receiver, status int, answer string, refused func(event string) bool) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return
		}
		list, _ := rawjson.At(body, "/batch")
		for _, raw := range rawjson.OpenArray(list) {
			if refused(rawjson.OpenObject(raw).Text("event")) {
				w.WriteHeader(status)
				_, _ = io.WriteString(w, answer)
				return
			}
		}
		req.Body = io.NopCloser(bytes.NewReader(body))
		r.ServeHTTP(w, req)
	}
}

func serve(t *testing.T, handler http.HandlerFunc) (url string) {
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return s.URL
}

// Where the receiver refuses a request as a whole, the events to blame are found, and all others
// arrive in order.
func TestRefusedRequestsAreNarrowedDown(t *testing.T) {
	const events = 3000
	for _, c := range []struct {
		status int
		answer string
	}{
		{400, `{"message":"not this one"}`},
		{413, `not this one`},
		{422, `{"error":"not this one"}`},
		{200, `{"success":false,"message":"not this one"}`},
		{200, `{"success":true,"errors":[{"message":"not this one"}]}`},
	} {
		r := newReceiver(t)
		url := serve(t, picky(r, c.status, c.answer, func(event string) bool { return strings.HasSuffix(event, "77") }))
		in := file(t, "events.ndjson", tracks(events, 7, 0))
		o := importer.Options{Files: []string{in}, Invoke: invoker(t, url), RejectsPath: in + ".rejects"}
		counts := run(t, o)
		require.EqualValues(t, 30, counts.Rejected)
		require.EqualValues(t, events-30, counts.Accepted)
		requireOrder(t, r, events-30)
		rejects := readRejects(t, o.RejectsPath)
		require.Len(t, rejects, 30)
		for i, one := range rejects {
			require.Equal(t, 100*i+78, one.Line)
			require.Contains(t, one.Reasons[0].Message, "was refused by the receiver")
			require.Contains(t, one.Reasons[0].Message, "not this one")
			require.NotContains(t, string(one.Message), "messageId")
		}
	}
}

// Where the receiver fails over and over, each run keeps what the one before has found out about
// refused events.
func TestRefusedEventsAmongFailures(t *testing.T) {
	const events = 300
	r := newReceiver(t)
	healthy := picky(r, 200, `{"success":false,"message":"not this one"}`,
		func(event string) bool { return strings.HasSuffix(event, "7") })
	var requests atomic.Int32
	url := serve(t, func(w http.ResponseWriter, req *http.Request) {
		if requests.Add(1)%7 == 0 { // requests come one at a time
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		healthy(w, req)
	})
	in := file(t, "events.ndjson", tracks(events, 7, 0))
	o := importer.Options{
		Files: []string{in}, Invoke: retrying(t, url, -1), Key: key, Concurrency: 1,
		StatePath: in + ".state", RejectsPath: in + ".rejects",
	}
	var before int64
	for done := false; !done; {
		im, err := importer.New(o)
		require.NoError(t, err)
		_, err = im.Run(t.Context())
		done = err == nil
		now := stateOf(t, o.StatePath).Counts.Events
		if o.Resume {
			require.Greater(t, now, before, "no run is in vain")
		}
		o.Resume, before = true, now
	}
	rejects := readRejects(t, o.RejectsPath)
	require.Len(t, rejects, events/10)
	for i, one := range rejects {
		require.Equal(t, 10*i+8, one.Line)
	}
	requireOrder(t, r, events-events/10)
}

// state is what the tests look at in a file of the state.
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

// A receiver that refuses whatever comes refuses the source, which ends it before all are rejected
// for that.
func TestReceiverThatRefusesEverything(t *testing.T) {
	url := serve(t, picky(newReceiver(t), 400, "", func(string) bool { return true }))
	in := file(t, "events.ndjson", tracks(1000, 7, 0))
	o := importer.Options{
		Files: []string{in}, Invoke: invoker(t, url), Key: key, StatePath: in + ".state", RejectsPath: in + ".rejects",
	}
	im, err := importer.New(o)
	require.NoError(t, err)
	counts, err := im.Run(t.Context())
	var failed *importer.DeliveryError
	require.ErrorAs(t, err, &failed)
	require.True(t, failed.Source)
	require.ErrorContains(t, err, "refused 100 events in a row")
	require.Less(t, counts.Rejected, int64(100))
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

// Of a packed file that is cut all is imported that can be read, and the whole file goes on behind
// it.
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

// A rate holds from the beginning.
func TestRateAtTheBeginning(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	in := file(t, "events.ndjson", tracks(300, 10, 0))
	sizes := make(chan int, 300)
	im, err := importer.New(importer.Options{
		Files: []string{in}, Key: key, Rate: 30,
		Invoke: func(_ context.Context, batch runtime.JSON) (*runtime.Receipt, error) {
			list, _ := rawjson.At([]byte(batch), "/batch")
			sizes <- len(rawjson.OpenArray(list))
			if len(sizes) == 2 {
				cancel()
			}
			return nil, nil
		},
	})
	require.NoError(t, err)
	_, err = im.Run(ctx)
	require.True(t, errors.Is(err, context.Canceled))
	require.LessOrEqual(t, <-sizes, 7)
	require.LessOrEqual(t, <-sizes, 7)
}
