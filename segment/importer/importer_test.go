package importer_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/schemas"
	"github.com/aacflow/segment-blocks/segment/importer"
)

func TestEventsOfAPersonStayInOrder(t *testing.T) {
	const events, users = 30_000, 97
	r := newReceiver(t)
	r.answer = func(request int) int {
		if request%7 == 3 {
			return 503 // and again
		}
		return 0
	}
	in := file(t, "events.ndjson", tracks(events, users, 20))
	counts := run(t, importer.Options{Files: []string{in}, Invoke: retrying(t, r.URL, 10), Concurrency: 8})
	require.EqualValues(t, events, counts.Accepted)
	require.Equal(t, counts.Events, counts.Accepted)
	require.Greater(t, counts.Attempts, counts.Requests)
	requireOrder(t, r, events)
}

// requireOrder requires that every event arrived, and for each user in the order of the file.
func requireOrder(t testing.TB, r *receiver, events int) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	require.Len(t, r.first, events)
	last := map[string]int{}
	for _, a := range r.first {
		var n int
		_, err := fmt.Sscanf(a.event, "E%d", &n)
		require.NoError(t, err)
		before, seen := last[a.user]
		require.True(t, !seen || before < n, "%s came after E%d", a.event, before)
		last[a.user] = n
	}
}

func TestEmptyFiles(t *testing.T) {
	r := newReceiver(t)
	for _, name := range []string{"a.ndjson", "a.csv"} {
		for _, text := range []string{"", "\n", "\r\n\n"} {
			if name == "a.csv" && text != "" {
				text = "userId,event\n"
			}
			in := file(t, name, text)
			counts := run(t, importer.Options{
				Files: []string{in}, Invoke: invoker(t, r.URL), Type: "track",
				RejectsPath: in + ".rejects", StatePath: in + ".state",
			})
			require.Zero(t, counts.Events)
			require.NoFileExists(t, in+".rejects")
			require.True(t, stateOf(t, in+".state").Done)
		}
	}
}

func TestPackedFiles(t *testing.T) {
	r := newReceiver(t)
	var packed bytes.Buffer
	// two members, as of cat a.gz b.gz
	for _, part := range []string{tracks(500, 5, 0), strings.ReplaceAll(tracks(500, 5, 0), `"E`, `"F`)} {
		w := gzip.NewWriter(&packed)
		_, err := io.WriteString(w, part)
		require.NoError(t, err)
		require.NoError(t, w.Close())
	}
	in := file(t, "events.jsonl.gz", packed.String())
	counts := run(t, importer.Options{Files: []string{in}, Invoke: invoker(t, r.URL)})
	require.EqualValues(t, 1000, counts.Accepted)
}

// An event has the same id whatever the name of its file, and another id in another file.
func TestMessageIDs(t *testing.T) {
	r := newReceiver(t)
	invoke := invoker(t, r.URL)
	one := `{"type":"track","event":"A","userId":"u"}` + "\n"
	for _, text := range []string{one, one, one + one, one + "\n" + one, `{"event":"A","userId":"u"}` + "\n"} {
		run(t, importer.Options{Files: []string{file(t, "events.ndjson", text)}, Invoke: invoke, Type: "track"})
	}
	require.Len(t, r.seen, 6)
	for id := range r.seen {
		require.Less(t, len(id), 100)
	}
	stdin := func(id string) {
		run(t, importer.Options{
			Files: []string{importer.Stdin}, Stdin: strings.NewReader(one), Invoke: invoke,
			InvocationID: id,
		})
	}
	stdin("a")
	stdin("a")
	stdin("b")
	require.Len(t, r.seen, 8)
}

func TestInputsThatAreNoLines(t *testing.T) {
	for name, text := range map[string]string{
		"latin1.json":      "{\"type\":\"track\",\"event\":\"Gr\xfc\xdfe\",\"userId\":\"u\"}",
		"utf16.json":       "\xff\xfe{\x00",
		"nomark.json":      "{\x00}\x00",
		"nul.ndjson":       `{"type":"track","event":"A","userId":"u"}` + "\n\x00\x00\n",
		"noise.json":       noise(t, 1000),
		"short.csv":        noise(t, 100),
		"cr.csv":           "userId,event\ru,A\ru,B\r",
		"longcr.csv":       "userId,event\r" + strings.Repeat("u,A\r", 2<<20),
		"packed.ndjson.gz": pack(t, noise(t, 1000)),
		"packed.csv.gz":    pack(t, noise(t, 1000)),
		"twice.jsonl.gz":   pack(t, pack(t, tracks(1000, 1, 0))),
		"columns.csv":      "event,total\nA,1\n",
		"twice.csv":        "userId,event,event\nu,A,B\n",
		"packed.gz":        "\x1f\x8bnonsense",
	} {
		path := filepath.Join(t.TempDir(), name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		format := importer.Format("")
		if name == "packed.gz" {
			_, err := importer.New(importer.Options{Files: []string{path}, Invoke: invoker(t, "http://127.0.0.1:1")})
			require.ErrorContains(t, err, "must end in .ndjson")
			format = importer.JSON
		}
		o := importer.Options{Type: "track", Format: format, Invoke: invoker(t, "http://127.0.0.1:1")}
		for _, o.Files = range [][]string{{path}, {file(t, "good.json", tracks(10, 1, 0)), path}} {
			im, err := importer.New(o)
			require.NoError(t, err)
			counts, err := im.Run(t.Context())
			var input *importer.InputError
			require.ErrorAs(t, err, &input, name)
			require.Equal(t, 1, strings.Count(err.Error(), name), err)
			require.Zero(t, counts, "nothing is sent, of the other file neither")
		}
	}
}

// noise returns bytes that are no text, the same each time.
func noise(t *testing.T, n int) string {
	data := make([]byte, n)
	_, err := rand.NewChaCha8([32]byte{}).Read(data)
	require.NoError(t, err)
	return string(data)
}

// To open a pipe is to wait for its writer, perhaps for ever.
func TestNamedPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.ndjson")
	if err := exec.CommandContext(t.Context(), "mkfifo", path).Run(); err != nil {
		t.Skip("cannot make a named pipe:", err)
	}
	_, err := importer.New(importer.Options{Files: []string{path}, Invoke: invoker(t, "http://127.0.0.1:1")})
	require.ErrorContains(t, err, "must be in a regular file or on standard input")
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

// The warning of two events with the same messageId names their lines, whoever they are about, also
// when a stop lies between them.
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
	require.Equal(t, []string{"4 /messageId duplicate_message_id is the same as in line 1, and the receiver keeps " +
		"only one of the two events"}, said)
	require.EqualValues(t, 2, counts.Duplicates)
	require.Len(t, r.seen, 3)
	require.EqualValues(t, 2, stateOf(t, o.StatePath).Counts.Duplicates)
}

// A rate limits the first events, too.
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
