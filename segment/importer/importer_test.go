package importer_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/schemas"
	"github.com/aacflow/segment-blocks/segment/emulator"
	"github.com/aacflow/segment-blocks/segment/importer"
)

// reject is a line of the file of rejects.
type reject struct {
	File    string              `json:"file"`
	Line    int                 `json:"line"`
	Origin  string              `json:"origin"`
	Reasons []schemas.Violation `json:"reasons"`
	Message json.RawMessage     `json:"message"`
	Text    string              `json:"text"`
}

func readRejects(t testing.TB, path string) []reject {
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	var out []reject
	for line := range bytes.Lines(data) {
		var r reject
		require.NoError(t, json.Unmarshal(line, &r), "%s", line)
		out = append(out, r)
	}
	return out
}

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

// requireOrder demands that every event arrived, those of each user in the order of the file.
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

func TestRejectsAreExact(t *testing.T) {
	segment, err := emulator.Start()
	require.NoError(t, err)
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = segment.Close(ctx)
	}()
	huge := `{"type":"track","event":"Huge","userId":"u","properties":{"x":"` + strings.Repeat("y", 5<<20) + `"}}`
	lines := []string{
		`{"type":"track","event":"A","userId":"u"}`,
		`{"type":"track","userId":7}`, // 2: two reasons
		``,
		`not json`, // 4
		huge,       // 5
		`{"type":"track","event":"B","userId":"u","userId":"v"}`,                                                 // 6
		`{"type":"track","event":"Large","userId":"u","properties":{"x":"` + strings.Repeat("y", 40_000) + `"}}`, // 7
		`{"type":"track","event":"Deep","userId":"u","properties":{"x":` + deep(200) + `}}`,                      // 8
		`{"type":"track","event":"Deep enough","userId":"u","properties":{"x":` + deep(100) + `}}`,               // 9: sent
		`[1]`, // 10
		"{\"type\":\"track\",\"event\":\"\xff\"}", // 11
		`{"type":"nope","userId":"u"}`,            // 12
		// 13: sent
		`{"type":"track","event":"日本 \ud83d\ude00 \u0000","userId":"ü\u2028","properties":{"a":1.10,` +
			`"b":12345678901234567890}}`,
		`{}`, // 14
		`  {"type" : "track", "event":"C", "userId":"u", "messageId":"mine"}  `, // 15: sent
		`{"type":"track","event":"D","userId":"u","messageId":""}`,              // 16: sent
	}
	for _, ending := range []string{"\n", "\r\n"} {
		require.NoError(t, segment.Clear())
		in := file(t, "events.ndjson", "\xef\xbb\xbf"+strings.Join(lines, ending))
		path := in + ".rejects"
		var told []int64
		counts := run(t, importer.Options{
			Files: []string{in}, Invoke: invoker(t, segment.URL), RejectsPath: path,
			Rejected: func(_ string, line int64, _ []schemas.Violation) { told = append(told, line) },
		})
		require.EqualValues(t, 15, counts.Events)
		require.EqualValues(t, 5, counts.Accepted)
		require.EqualValues(t, 10, counts.Rejected)
		require.Len(t, told, 10)

		var got []string
		for _, r := range readRejects(t, path) {
			require.Equal(t, in, r.File)
			for _, reason := range r.Reasons {
				got = append(got, fmt.Sprintf("%d %s %s", r.Line, reason.Path, reason.Code))
			}
			switch r.Line {
			case 2, 6, 7, 12, 14:
				if r.Line != 6 { // which is no object that could be read
					require.JSONEq(t, lines[r.Line-1], string(r.Message))
				}
			case 4:
				require.Equal(t, "not json", r.Text)
			case 5:
				require.True(t, r.Text == huge[:1000], "%.50q", r.Text)
			}
		}
		require.Equal(t, []string{
			"2 /userId id_not_string", "2 /event event_not_defined", "4  invalid_json", "5  line_too_long",
			"6 /userId duplicate_key",
			"7  message_too_large", "8  too_deep", "10  message_not_object",
			"11 /event invalid_utf8", "12 /type invalid_type", "14 /type missing_type",
		}, got)

		var names []string
		for _, e := range segment.Events(emulator.Filter{}) {
			names = append(names, e.Name)
		}
		slices.Sort(names)
		require.Equal(t, []string{"A", "C", "D", "Deep enough", "日本 😀 \x00"}, names)
		mine, ok := segment.Event("mine")
		require.True(t, ok)
		require.Equal(t, "C", mine.Name)
		odd := segment.Events(emulator.Filter{Text: "12345678901234567890"})
		require.Len(t, odd, 1)
		require.Contains(t, string(odd[0].Message), `{"a":1.10,"b":12345678901234567890}`)
	}
}

func deep(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }

// A file of rejects can be mended and imported as it is, and each message keeps the id that its
// line would have had.
func TestRejectsCanBeImported(t *testing.T) {
	r := newReceiver(t)
	invoke := invoker(t, r.URL)
	in := file(t, "events.ndjson",
		`{"type":"track","event":"","userId":"u","properties":{"a":1.10}}`+"\n"+`{"type":"track","event":"B"}`+"\nnot json\n")
	path := filepath.Join(t.TempDir(), "rejects.ndjson")
	counts := run(t, importer.Options{Files: []string{in}, Invoke: invoke, RejectsPath: path})
	require.EqualValues(t, 3, counts.Rejected)

	data, err := os.ReadFile(path)
	require.NoError(t, err)
	mended := strings.Replace(string(data), `"event":""`, `"event":"Mended"`, 1)
	for range 2 { // with different files around it, the mended message is the same
		mend := file(t, "mended.ndjson", mended)
		again := mend + ".rejects"
		counts = run(t, importer.Options{Files: []string{mend}, Invoke: invoke, RejectsPath: again})
		require.EqualValues(t, 1, counts.Accepted)
		left := readRejects(t, again)
		require.Len(t, left, int(counts.Rejected))
		require.Equal(t, readRejects(t, path)[1].Origin, left[0].Origin)
		require.JSONEq(t, `{"type":"track","event":"B"}`, string(left[0].Message))
		if len(left) == 2 {
			require.Equal(t, "not json", left[1].Text)
		}
		mended = mended[:strings.LastIndex(strings.TrimSpace(mended), "\n")+1]
	}
	require.Equal(t, []string{"Mended"}, r.events())
	require.Len(t, r.seen, 1)
}

func TestOnlyRejects(t *testing.T) {
	r := newReceiver(t)
	const lines, refused = 21_000, 1_000
	in := file(t, "events.ndjson",
		strings.Repeat("nothing of use\n", lines-refused)+strings.Repeat(`{"type":"track"}`+"\n", refused))
	path := in + ".rejects"
	counts := run(t, importer.Options{Files: []string{in}, Invoke: invoker(t, r.URL), RejectsPath: path})
	require.EqualValues(t, lines, counts.Rejected)
	require.Zero(t, r.count)
	for i, one := range readRejects(t, path) {
		require.Equal(t, i+1, one.Line)
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

	cut := file(t, "events.ndjson.gz", packed.String()[:packed.Len()-20])
	im, err := importer.New(importer.Options{Files: []string{cut}, Invoke: invoker(t, r.URL), Key: key})
	require.NoError(t, err)
	_, err = im.Run(t.Context())
	require.ErrorIs(t, err, importer.ErrCut)
}

// The same event has the same id however its file is called, and another in another file.
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
