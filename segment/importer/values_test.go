package importer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/aacflow/segment-blocks/rawjson"
)

// Events are found in any layout, each with its line, and faulty values cost no others.
func TestLayouts(t *testing.T) {
	const a, b = `{"type":"track","event":"A"}`, `{"type":"track","event":"B"}`
	for name, c := range map[string]struct {
		text string
		want []string
		cut  string
	}{
		"a list in one line":       {`[` + a + `,` + b + `]`, []string{"1 " + a, "1 " + b}, ""},
		"a list, one a line":       {"[\n" + a + ",\n" + b + "\n]\n", []string{"2 " + a, "3 " + b}, ""},
		"a list with a mark":       {"\xef\xbb\xbf [" + a + "]", []string{"1 " + a}, ""},
		"lists and values":         {"[" + a + "]" + b + "[" + b + "]\n[]", []string{"1 " + a, "1 " + b, "1 " + b}, ""},
		"too many commas, and few": {"[," + a + ",," + b + a + ",]", []string{"1 " + a, "1 " + b, "1 " + a}, ""},
		"an empty list":            {" [ ] ", nil, ""},
		"pretty": {
			"{\n  \"type\": \"track\",\r\n  \"event\": \"A\"\n}\n{\n \"type\":\"track\", \"event\":\"{\\\"\\n[\"\n}",
			[]string{
				"1 " + a, `5 {"type":"track","event":"{\"\n["}`,
			},
			"",
		},
		"side by side":        {a + b + " " + a + "," + b, []string{"1 " + a, "1 " + b, "1 " + a, "1 " + b}, ""},
		"ended by CR alone":   {a + "\r" + b + "\r", []string{"1 " + a, "1 " + b}, ""},
		"lines and then more": {a + "\n" + b + a + "\n", []string{"1 " + a, "2 invalid_json"}, ""},
		"what is no object": {"[1, \"x{\", " + a + ", [1,2], null]\n", []string{
			"1 message_not_object", "1 message_not_object", "1 " + a, "1 message_not_object", "1 message_not_object",
		}, ""},
		"a stray bracket": {"[" + a + "]]\n" + b, []string{"1 " + a, "2 " + b}, ""},
		"a stray brace":   {"[" + a + "}]\n" + b, []string{"1 " + a, "1 invalid_json", "2 " + b}, ""},
		"a wrong bracket": {"[{\"a\":]},\n" + b + "]", []string{"1 invalid_json", "2 " + b}, ""},
		"a text that is not closed": {
			"[{\"a\": \"x\n},\n" + b + "]",
			[]string{"1 invalid_json", "3 " + b},
			"",
		},
		"only a bracket":     {"[", nil, "the list is never closed"},
		"a list that is cut": {"[\n" + a + ",\n", []string{"2 " + a}, "the list is never closed"},
		"an event that is cut": {
			"[\n" + a + ",\n{\"type\":", []string{"2 " + a}, "the event that begins at line 3 is never closed",
		},
		"an object that is cut": {"{\n\"a\": {", nil, "the event that begins at line 1 is never closed"},
		"a line that is cut":    {a + "\n" + `{"type":`, []string{"1 " + a}, "the event that begins at line 2 is"},
		"a line that is wrong":  {a + "\n" + `{"type":}`, []string{"1 " + a, "2 invalid_json"}, ""},
		"a value of 5 MiB": {
			"[\n{\"a\":\"" + strings.Repeat("x", 5<<20) + "\"},\n" + a + "]", []string{"2 line_too_long", "3 " + a}, "",
		},
		"a million levels": {
			"[" + strings.Repeat("[", 1e6) + strings.Repeat("]", 1e6) + a + "]", []string{"1 too_deep", "1 " + a}, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := readerOf(t, Options{Files: []string{Stdin}, Stdin: strings.NewReader(c.text)})
			var got []string
			for {
				e, err := r.next(t.Context())
				if c.cut != "" && err != nil {
					require.ErrorIs(t, err, ErrCut)
					require.ErrorContains(t, err, c.cut)
					break
				}
				if errors.Is(err, io.EOF) {
					break
				}
				require.NoError(t, err)
				what := given(&e)
				if e.faults != nil {
					what = e.faults[0].Code
				}
				got = append(got, fmt.Sprint(e.at.Line, " ", what))
			}
			require.Equal(t, c.want, got)
		})
	}
}

// A fault inside an event has the number of its line.
func TestFaultsInsideAnEventHaveALine(t *testing.T) {
	require.Equal(t, []string{
		`invalid_json /x must be valid JSON: missing value after object name, at byte 40, in line 5.`,
	}, all(t, JSON, "\n[\n{\n \"type\": \"track\", \"event\": \"A\",\n \"x\": }\n]", Options{}))
}

// Whatever is around them, the events of a list are those that were written, and reading can
// continue behind any of them.
func TestListsOfAnyForm(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		space := rapid.SampledFrom([]string{"", " ", "\n", "\r\n", "\t"})
		text := rapid.StringOfN(rapid.SampledFrom([]rune("a{}[]\"\\,:é\n")), 0, 8, -1)
		var b strings.Builder
		var want []string
		b.WriteString(space.Draw(t, "lead") + "[")
		for i := range rapid.IntRange(0, 6).Draw(t, "n") {
			if i > 0 {
				b.WriteString("," + space.Draw(t, "between"))
			}
			event := fmt.Sprintf(`{%s"type":"track","event":%s,"properties":{"list":[{},%d]}}`, space.Draw(t, "inside"),
				rawjson.Quote(text.Draw(t, "text")), i)
			want = append(want, compact(event))
			b.WriteString(event)
		}
		b.WriteString(space.Draw(t, "tail") + "]")
		piece := rapid.IntRange(1, 9).Draw(t, "piece")
		var got []string
		after := []position{{}}
		r := readerOfText(t, &slow{[]byte(b.String()), piece})
		for {
			e, err := r.next(context.Background())
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
			got, after = append(got, compact(string(e.raw))), append(after, e.after)
		}
		require.Equal(t, want, got)
		n := rapid.IntRange(0, len(got)).Draw(t, "from")
		r = readerOfText(t, &slow{[]byte(b.String()), piece})
		r.at = after[n]
		e, err := r.next(context.Background())
		if n == len(got) {
			require.ErrorIs(t, err, io.EOF)
		} else {
			require.NoError(t, err)
			require.Equal(t, got[n], compact(string(e.raw)))
		}
	})
}

func compact(text string) string {
	var b bytes.Buffer
	_ = json.Compact(&b, []byte(text))
	return b.String()
}

func readerOfText(t require.TestingT, text io.Reader) *reader {
	im, err := New(Options{Files: []string{Stdin}, Stdin: text, Invoke: invokeNothing})
	require.NoError(t, err)
	return im.newReader(position{})
}

// Two equal events in one line are two events.
func TestEqualEventsInOneLineDiffer(t *testing.T) {
	const a = `{"type":"track","event":"A"}`
	r := readerOfText(t, strings.NewReader("["+a+a+"]"))
	one, err := r.next(t.Context())
	require.NoError(t, err)
	first := string(one.json)
	two, err := r.next(t.Context())
	require.NoError(t, err)
	require.NotEqual(t, first, string(two.json))
}

// The members that are added to a message do not depend on how it is written.
func TestWhatIsAdded(t *testing.T) {
	for text, want := range map[string]string{
		`{}`:  `{"messageId":"ID","type":"track"}`,
		`{ }`: `{"messageId":"ID","type":"track"}`,
		`{"event":"A","messageId":"","type":null}`: `{"event":"A","messageId":"ID","type":"track"}`,
		`{"type":"page","messageId":"mine"}`:       `{"type":"page","messageId":"mine"}`,
		`{"type":"","event":"A"}`:                  `{"messageId":"ID","type":"track","event":"A"}`,
		`{"messageId":null, "event" : "A"}`:        `{"type":"track","messageId":"ID","event":"A"}`,
		"{\n\"event\":\n\"A\"}\n{}":                `{"messageId":"ID","type":"track","event":"A"}`,
		`{"\u0074ype":"page","messageId":"mine"}`:  `{"\u0074ype":"page","messageId":"mine"}`,
	} {
		r := readerOf(t, Options{Files: []string{Stdin}, Stdin: strings.NewReader(text), Type: "track"})
		e, err := r.next(t.Context())
		require.NoError(t, err)
		require.Nil(t, e.faults)
		require.NoError(t, rawjson.Check(e.json, rawjson.Limits{}))
		got := string(e.json)
		if e.derived {
			id := rawjson.OpenObject(e.json).Text("messageId")
			require.Regexp(t, "^sb1-[0-9a-f]{32}$", id)
			got = strings.Replace(got, id, "ID", 1)
		}
		require.Equal(t, want, got, text)
	}
}

// A file that becomes shorter while it is read is an error, and not the end of the import.
func TestShrinkingFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.ndjson")
	require.NoError(t, os.WriteFile(path, []byte(strings.Repeat(`{"type":"track","event":"A"}`+"\n", 50_000)), 0o600))
	r := readerOf(t, Options{Files: []string{path}})
	_, err := r.next(t.Context())
	require.NoError(t, err)
	require.NoError(t, os.Truncate(path, 1000))
	for err == nil {
		_, err = r.next(t.Context())
	}
	require.ErrorContains(t, err, "the file has become shorter while it was read")
}
