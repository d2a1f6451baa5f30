package importer_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	goruntime "runtime"
	"slices"
	"strings"
	"syscall"
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
		// 9: sent
		`{"type":"track","event":"Deep enough","userId":"u","properties":{"x":` + deep(100) + `}}`,
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

// A file of rejects can be corrected and imported, and each message has the id that its first line
// would have had.
func TestRejectsCanBeImported(t *testing.T) {
	r := newReceiver(t)
	invoke := invoker(t, r.URL)
	in := file(t, "events.ndjson",
		`{"type":"track","event":"","userId":"u","properties":{"a":1.10}}`+"\n"+
			`{"type":"track","event":"B"}`+"\nnot json\n")
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

// The messageId of a reject does not count as met.
func TestRejectsHaveNoID(t *testing.T) {
	r := newReceiver(t)
	in := file(t, "events.ndjson",
		`{"type":"track","userId":"u","messageId":"a"}`+"\n"+
			`{"type":"track","event":"A","userId":"u","messageId":"a"}`+"\n")
	counts := run(t, importer.Options{Files: []string{in}, Invoke: invoker(t, r.URL)})
	require.EqualValues(t, 1, counts.Accepted)
	require.Zero(t, counts.Duplicates)
}

func full(t *testing.T) {
	if goruntime.GOOS != "linux" {
		t.Skip("there is no device here that is always full")
	}
}

// Rejects that cannot be written stop the import and are not counted. With room in another file the
// import continues.
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

// A missing folder is an error before anything is sent, and leaves no state.
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

// A row that does not fit the columns keeps its cells, and is not sent until somebody corrects it.
func TestRaggedRowsCanBeMended(t *testing.T) {
	r := newReceiver(t)
	in := file(t, "a.csv", "userId,event,plan\nu,\"A\nB\"\nu,C,x,y\n")
	o := importer.Options{
		Files: []string{in}, Invoke: invoker(t, r.URL), Type: "track", RejectsPath: in + ".rejects.ndjson",
	}
	require.EqualValues(t, 2, run(t, o).Rejected)
	rejects := readRejects(t, o.RejectsPath)
	require.JSONEq(t, `{"type":"track","userId":"u","event":"A\nB"}`, string(rejects[0].Message))
	require.Equal(t, "u,\"A\nB\"", rejects[0].Text)
	require.JSONEq(t, `{"type":"track","userId":"u","event":"C","properties":{"plan":"x"}}`, string(rejects[1].Message))
	require.Equal(t, "u,C,x,y", rejects[1].Text)

	text, err := os.ReadFile(o.RejectsPath)
	require.NoError(t, err)
	mended := strings.Replace(string(text), `,"text":"u,C,x,y"`, "", 1)
	o.Files, o.RejectsPath = []string{file(t, "m.ndjson", mended)}, in+".left"
	counts := run(t, o)
	require.EqualValues(t, 1, counts.Rejected)
	require.Equal(t, []string{"C"}, r.events())
	left := readRejects(t, o.RejectsPath)
	require.Equal(t, rejects[0].Text, left[0].Text)
	require.Equal(t, rejects[0].Origin, left[0].Origin)
	require.Contains(t, left[0].Reasons[0].Message, "must be corrected after the member text beside it")
}

// Resuming with another file of rejects must not cut off what that holds.
func TestResumeSparesAnotherFileOfRejects(t *testing.T) {
	r := newReceiver(t)
	r.answer = func(request int) int { return map[int]int{1: 401}[request] }
	in := file(t, "a.ndjson", "none\n"+tracks(1, 1, 0))
	o := importer.Options{
		Files: []string{in}, Invoke: invoker(t, r.URL), Key: key, StatePath: in + ".state",
		RejectsPath: in + ".rejects",
	}
	im, err := importer.New(o)
	require.NoError(t, err)
	_, err = im.Run(t.Context())
	require.ErrorContains(t, err, "401")
	const other = "the rejects of another import, which are longer than those of this one\n"
	o.Resume, o.RejectsPath = true, file(t, "other.ndjson", strings.Repeat(other, 10))
	im, err = importer.New(o)
	require.NoError(t, err)
	_, err = im.Run(t.Context())
	require.ErrorContains(t, err, "the rejects of an earlier import would be lost")
	kept, err := os.ReadFile(o.RejectsPath)
	require.NoError(t, err)
	require.Equal(t, strings.Repeat(other, 10), string(kept))
}
