package importer

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

// readerOf returns a reader of the beginning of a file.
func readerOf(t testing.TB, o Options) *reader {
	o.Invoke = invokeNothing
	im, err := New(o)
	require.NoError(t, err)
	return im.newReader(position{})
}

func invokeNothing(context.Context, runtime.JSON) (*runtime.Receipt, error) { return nil, nil }

// all reads every event of a text, as its JSON or its faults.
func all(t testing.TB, format Format, text string, o Options) []string {
	o.Files, o.Format, o.Stdin = []string{Stdin}, format, strings.NewReader(text)
	r := readerOf(t, o)
	var out []string
	for {
		e, err := r.next(context.Background())
		if errors.Is(err, io.EOF) {
			return out
		}
		require.NoError(t, err)
		if e.faults != nil {
			text := ""
			for _, f := range e.faults {
				text += f.Code + " " + f.Path + " " + f.Message + ". "
			}
			out = append(out, strings.TrimSpace(text))
			continue
		}
		out = append(out, given(&e))
	}
}

// given returns the message of an event without its derived messageId.
func given(e *event) string {
	if !e.derived {
		return string(e.json)
	}
	return string(rawjson.OpenObject(e.json).Without("messageId").JSON())
}

func rules(t testing.TB, texts ...string) []rule {
	var out []rule
	for _, text := range texts {
		r, err := parseRule(text)
		require.NoError(t, err)
		out = append(out, r)
	}
	return out
}

func TestRows(t *testing.T) {
	for name, c := range map[string]struct {
		text  string
		typ   tracking.Type
		rules []string
		comma byte
		want  []string
	}{
		"names say what they are": {
			text: "userId,event,total,context.page.url,context.ip,properties.a.b\nu,A,007,http://x,::1,deep\n",
			typ:  "track",
			want: []string{`{"type":"track","userId":"u","event":"A","properties":{"total":"007","a":{"b":"deep"}},` +
				`"context":{"page":{"url":"http://x"},"ip":"::1"}}`},
		},
		"traits of an identify, name and event among them": {
			text: "anonymousId,name,event,groupId\na,Acme,E,g\n", typ: "identify",
			want: []string{`{"type":"identify","anonymousId":"a","traits":{"name":"Acme","event":"E","groupId":"g"}}`},
		},
		"kinds of values": {
			text: "u,n,b,j,t\n1,1.50,TRUE,\"{\"\"a\"\":[1]}\",1\n2,1e3,false,,2\n3,07,yes,{,3\n", typ: "track",
			rules: []string{"u=userId", "n=properties.n:number", "b=properties.b:boolean", "j=traits:json", "t=event"},
			want: []string{
				`{"type":"track","userId":"1","properties":{"n":1.50,"b":true},"traits":{"a":[1]},"event":"1"}`,
				`{"type":"track","userId":"2","properties":{"n":1e3,"b":false},"event":"2"}`,
				`invalid_value /properties/n must be a number as in JSON: "07". ` +
					`invalid_value /properties/b must be true or false: "yes". ` +
					`invalid_value /traits must be valid JSON: it ends too early, after byte 1: "{".`,
			},
		},
		"types by row": {
			text: "type,userId,plan,event,name\ntrack,u,a,E,n\nidentify,u,b,E,n\n,u,c,,\npage,u,,,n\nalias,u,x,,\n",
			typ:  "group",
			want: []string{
				`{"type":"track","userId":"u","properties":{"plan":"a","name":"n"},"event":"E"}`,
				`{"type":"identify","userId":"u","traits":{"plan":"b","event":"E","name":"n"}}`,
				`{"type":"group","userId":"u","traits":{"plan":"c"}}`,
				`{"type":"page","userId":"u","name":"n"}`,
				`{"type":"alias","userId":"u"}`,
			},
		},
		"rows that are none": {
			text: "userId,event,x\nu,A\nu,A,1,2\nu,A,5\" " +
				"pipe\nu,B,\"open\nu,\"C\"x,1\n\r\n\"u\",\"D\nE\",\"\"\"\"\nu,F,\"never closed\nu,G,\n", typ: "track",
			want: []string{
				`invalid_csv  must have as many fields as the header has columns, 3: 2.`,
				`invalid_csv  must have as many fields as the header has columns, 3: 4.`,
				`invalid_csv  must be a row of CSV, and its quotes do not match.`,
				`invalid_csv  must be a row of CSV, and its quotes do not match.`,
				`invalid_csv  must be a row of CSV, and its quotes do not match.`,
				`{"type":"track","userId":"u","event":"D\nE","properties":{"x":"\""}}`,
				`invalid_csv  must close its quotes, and one that opens here is never closed.`,
				`{"type":"track","userId":"u","event":"G"}`,
			},
		},
		"a quote that is never closed, and others behind it": {
			text: "userId,event,x\nu,A,\"open\nu,B,\"x\"\nu,C,\"a\nb\"\nu,\"D\"\"\nu,E,\"\"\n\"u\",F,y\n", typ: "track",
			want: []string{
				`invalid_csv  must be a row of CSV, and its quotes do not match.`,
				`{"type":"track","userId":"u","event":"B","properties":{"x":"x"}}`,
				`{"type":"track","userId":"u","event":"C","properties":{"x":"a\nb"}}`,
				`invalid_csv  must be a row of CSV, and its quotes do not match.`,
				`{"type":"track","userId":"u","event":"E"}`,
				`{"type":"track","userId":"u","event":"F","properties":{"x":"y"}}`,
			},
		},
		"line breaks inside cells": {
			text: "userId,event,x\r\nu,A,\"a\r\nb\nc\rd\r\"\r\nu,\"B\r\n\",e\rf\r\nu,C,g\r", typ: "track",
			want: []string{
				`{"type":"track","userId":"u","event":"A","properties":{"x":"a\r\nb\nc\rd\r"}}`,
				`{"type":"track","userId":"u","event":"B\r\n","properties":{"x":"e\rf"}}`,
				`{"type":"track","userId":"u","event":"C","properties":{"x":"g"}}`,
			},
		},
		"a NUL": {
			text: "userId,event\n" + strings.Repeat("u,A\n", 100_000) + "u,\x00\n", typ: "track",
			want: append(slices.Repeat([]string{`{"type":"track","userId":"u","event":"A"}`}, 100_000),
				`invalid_csv  must be text, and has a NUL byte.`),
		},
		"columns without a name": {
			text: "userId,event,,\nu,A,1,2\n", typ: "track",
			want: []string{`{"type":"track","userId":"u","event":"A"}`},
		},
		"semicolons, a mark and no last line break": {
			text: "\xef\xbb\xbfuserId;event;\r\nu;A,B;\r\nv;C;", typ: "track", comma: ';',
			want: []string{`{"type":"track","userId":"u","event":"A,B"}`, `{"type":"track","userId":"v","event":"C"}`},
		},
		"left out": {
			text: "userId,event,secret\nu,A,s\n", typ: "track", rules: []string{"secret="},
			want: []string{`{"type":"track","userId":"u","event":"A"}`},
		},
		"not UTF-8": {
			text: "userId,event\nu,ü\nu,\xff\n", typ: "track",
			want: []string{
				`{"type":"track","userId":"u","event":"ü"}`,
				`invalid_utf8  must be valid UTF-8; if the file has another encoding, name it with` +
					` --encoding, such as windows-1252.`,
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := all(t, CSV, c.text, Options{Type: c.typ, Map: c.rules, Delimiter: c.comma})
			require.Equal(t, c.want, got)
		})
	}
}

func TestMappingsThatAreRefused(t *testing.T) {
	for text, want := range map[string]string{
		"x": "must be column=field", "=userId": "must be column=field", "a=userID": `did you mean "userId"`,
		"a=properties":    "with properties:json",
		"a=userId:number": "it is text", "a=properties.x:date": "a kind of value",
		"a=userId.x":  "a part of userId",
		"a=traits..x": "an empty part",
	} {
		_, err := parseRule(text)
		require.ErrorContains(t, err, want, text)
	}
	for name, c := range map[string]struct {
		header string
		typ    tracking.Type
		rules  []string
		want   string
	}{
		"no type":        {"userId,event", "", nil, "set it, such as --type track"},
		"nobody":         {"user,event", "track", nil, "--map user=userId"},
		"twice":          {"userId,a,a", "track", nil, `two columns have the same name: "a"`},
		"unknown column": {"userId,total", "track", []string{"totl=properties.t"}, `did you mean "total"`},
		"same field":     {"userId,a,b", "track", []string{"a=properties.x", "b=properties.x"}, "the same field"},
		"part of it": {
			"userId,a,b", "track", []string{"a=properties.x", "b=properties.x.y"}, "a part of the other",
		},
		"many":        {"userId" + strings.Repeat(",", maxColumns), "track", nil, "at most 10,000 columns: 10001"},
		"one column":  {"userId;event", "track", nil, "--delimiter ';'"},
		"tabs":        {"userId\tevent", "", nil, `--delimiter '\t'`},
		"empty part":  {"userId,properties.", "track", nil, "an empty part of properties"},
		"ruled twice": {"userId,a", "track", []string{"a=properties.x", "a=properties.y"}, "a column twice"},
	} {
		_, err := newMapping(strings.Split(c.header, ","), rules(t, c.rules...), c.typ)
		require.ErrorContains(t, err, c.want, name)
	}
}

// Rows that encoding/csv has written are read as they were, every byte of a cell.
func TestRowsOfTheStandardLibrary(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cell := rapid.StringOfN(rapid.SampledFrom([]rune("ab\",\n\r é")), 0, 8, -1)
		table := rapid.SliceOfN(rapid.SliceOfN(cell, 2, 4), 1, 6).Draw(t, "table")
		var text bytes.Buffer
		w := csv.NewWriter(&text)
		w.UseCRLF = rapid.Bool().Draw(t, "crlf")
		require.NoError(t, w.WriteAll(table))
		if w.UseCRLF { // it then writes the breaks inside cells so too
			for _, row := range table {
				for i, cell := range row {
					row[i] = strings.ReplaceAll(strings.ReplaceAll(cell, "\r", ""), "\n", "\r\n")
				}
			}
		}

		s := newSplitter(bufio.NewReader(&slow{text.Bytes(), rapid.IntRange(1, 9).Draw(t, "piece")}), position{Line: 1})
		s.comma = ","
		var got [][]string
		offset := int64(0)
		for {
			rec, err := s.next()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
			require.Equal(t, offset, rec.at.Offset)
			require.Nil(t, rec.faults)
			offset = rec.after.Offset
			got = append(got, rec.cells)
		}
		require.Equal(t, table, got)
		require.EqualValues(t, text.Len(), offset)
		require.EqualValues(t, bytes.Count(text.Bytes(), []byte("\n"))+1, s.at.Line)
	})
}

// Whatever a file holds, its rows are those of encoding/csv, and a row that this refuses costs only
// its first line.
func TestRowsOfAnyForm(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOfN(rapid.SampledFrom([]rune("a\"\"\",\n")), 1, 20, -1).Draw(t, "text")
		s := newSplitter(bufio.NewReader(&slow{[]byte(text), rapid.IntRange(1, 9).Draw(t, "piece")}), position{Line: 1})
		s.comma = ","
		for {
			rec, err := s.next()
			if errors.Is(err, io.EOF) {
				require.Len(t, text, int(s.at.Offset))
				return
			}
			require.NoError(t, err)
			from := csv.NewReader(strings.NewReader(text[rec.at.Offset:]))
			want, err := from.Read()
			switch {
			case len(rec.raw) == 0: // which it skips
			case rec.faults != nil:
				require.Error(t, err)
				require.NotContains(t, string(rec.raw), "\n")
			default:
				require.NoError(t, err)
				require.Equal(t, want, rec.cells)
			}
		}
	})
}

// slow gives a few bytes at a time.
type slow struct {
	data []byte
	most int
}

func (s *slow) Read(p []byte) (int, error) {
	if len(s.data) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.data[:min(s.most, len(s.data))])
	s.data = s.data[n:]
	return n, nil
}

// Reading can start at the position of any event, with the same events as from the beginning.
func TestReadingGoesOnAnywhere(t *testing.T) {
	var ndjson, rows strings.Builder
	ndjson.WriteString("\xef\xbb\xbf")
	rows.WriteString("\xef\xbb\xbfuserId,event,note\n")
	for i := range 40_000 {
		ndjson.WriteString(`{"type":"track","event":"A","userId":"u","n":` + strings.Repeat("1", i%40+1) + "}\r\n")
		rows.WriteString("u,A,\"" + strings.Repeat("x\n", i%20) + "\"\n")
		if i%100 == 0 {
			ndjson.WriteString("\n")
			rows.WriteString("\n")
		}
	}
	for name, text := range map[string]string{"a.ndjson": ndjson.String(), "a.csv": rows.String()} {
		path := t.TempDir() + "/" + name
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		type seen struct {
			at  position
			raw string
		}
		var events []seen
		r := readerOf(t, Options{Files: []string{path, path}, Type: "track"})
		for {
			e, err := r.next(context.Background())
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
			require.Nil(t, e.faults)
			events = append(events, seen{e.at, string(e.raw)})
		}
		require.Len(t, events, 80_000)
		for _, i := range []int{0, 1, 2, 101, 999, 20_000, 39_999, 40_000, 40_001, 70_000, 79_999} {
			r := readerOf(t, Options{Files: []string{path, path}, Type: "track"})
			r.at = events[i].at
			for j := i; j < min(i+3, len(events)); j++ {
				e, err := r.next(context.Background())
				require.NoError(t, err)
				require.Equal(t, events[j], seen{e.at, string(e.raw)}, "%s, event %d from %d", name, j, i)
			}
			r.close()
		}
	}
}

func TestLongLinesTakeConstantMemory(t *testing.T) {
	r := readerOf(t, Options{Files: []string{Stdin}, Stdin: io.MultiReader(
		strings.NewReader(`{"a":"`), io.LimitReader(endless{}, 200<<20),
		strings.NewReader("\n"+`{"type":"track"}`+"\n"),
	)})
	e, err := r.next(context.Background())
	require.NoError(t, err)
	require.Equal(t, CodeTooLong, e.faults[0].Code)
	require.Len(t, e.raw, excerptBytes)
	e, err = r.next(context.Background())
	require.NoError(t, err)
	require.Nil(t, e.faults)
	require.EqualValues(t, 2, e.at.Line)
	require.LessOrEqual(t, r.split.from.Size(), 3*maxRecord)
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}
