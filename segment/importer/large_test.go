package importer_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/segment/importer"
)

// members writes an event with n unknown members.
func members(n int) string {
	var b strings.Builder
	b.WriteString(`{"type":"track","event":"E","userId":"u"`)
	for i := range n {
		fmt.Fprintf(&b, `,"%x":1`, i)
	}
	return b.String() + "}\n"
}

// sized writes an event of n bytes.
func sized(n int) string {
	const begin = `{"type":"track","event":"E","userId":"u","properties":{"x":"`
	return begin + strings.Repeat("y", n-len(begin)-len(`"}}`)) + `"}}`
}

// Each line of large and odd files is accounted for. If the time were not linear in their size, the
// test would not end.
func TestLargeFiles(t *testing.T) {
	if raceDetector {
		t.Skip("it reads a lot in one goroutine, which takes long with the race detector")
	}
	const longest, event = 4 << 20, `{"type":"track","event":"E","userId":"u"}` + "\n"
	for name, c := range map[string]struct {
		text               string
		accepted, rejected int64
		code               string
	}{
		"a line of 32 MiB": {sized(32<<20) + "\n" + event, 1, 1, importer.CodeTooLong},
		"lines of the limit": {
			sized(longest) + "\n" + sized(longest) + "\r\n" + sized(longest), 0, 3,
			"message_too_large",
		},
		"lines of one byte more": {
			sized(longest+1) + "\n" + sized(longest+1) + "\r\n" + sized(longest+1), 0, 3,
			importer.CodeTooLong,
		},
		"32 MiB of such lines": {strings.Repeat(sized(longest-10)+"\n", 8), 0, 8, "message_too_large"},
		"tiny events":          {strings.Repeat(event, 100_000), 100_000, 0, ""},
		"no last line break":   {event + strings.TrimSpace(event), 2, 0, ""},
		"empty objects":        {strings.Repeat("{}\n", 10_000), 0, 10_000, "no_user_anon_id"},
		"20,000 members":       {members(20_000) + event, 1, 1, "too_large"},
		"400,000 members":      {members(400_000) + event, 1, 1, "too_large"},
		"1,000,000 members":    {members(1_000_000) + event, 1, 1, importer.CodeTooLong},
		"a million levels": {
			`{"type":"track","properties":{"x":` + deep(1_000_000) + "}}\n" + event, 1, 1,
			"too_deep",
		},
		"CSV, quotes that never fit": {
			"userId,event\n" + strings.Repeat("x\",\"\n", 50_000), 0, 50_000, importer.CodeCSV,
		},
		"CSV, quotes that open anew": {
			"userId,event\n" + strings.Repeat("\"x\"\"\n", 50_001), 0, 50_001, importer.CodeCSV,
		},
		"CSV, a cell of lines, and 5 MiB": {
			"userId,event\nu,\"a\nb\"," + strings.Repeat("x", 5<<20), 0, 2, importer.CodeCSV,
		},
		"CSV, a quote that stays open": {
			"userId,event\n\"" + strings.Repeat("u,E\n", 100_000), 99_999, 1, importer.CodeCSV,
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := importer.Options{Type: "track", Invoke: invoker(t, sink(t))}
			if strings.HasPrefix(name, "CSV") {
				o.Files = []string{file(t, "events.csv", c.text)}
			} else {
				o.Files = []string{file(t, "events.ndjson", c.text)}
			}
			o.RejectsPath = o.Files[0] + ".rejects"
			counts := run(t, o)
			require.Equal(t, c.accepted, counts.Accepted)
			require.Equal(t, c.rejected, counts.Rejected)
			if c.rejected > 0 {
				rejects := readRejects(t, o.RejectsPath)
				require.Len(t, rejects, int(c.rejected))
				require.Equal(t, c.code, rejects[0].Reasons[0].Code)
			}
		})
	}
}

// Each reject has all of its reasons, also if an invocation cannot list those of all messages.
func TestRejectsOfManyReasons(t *testing.T) {
	in := file(t, "events.ndjson", strings.Repeat(`{"type":"track","userId":7,"properties":1}`+"\n", 300))
	o := importer.Options{Files: []string{in}, Invoke: invoker(t, sink(t)), RejectsPath: in + ".rejects"}
	run(t, o)
	rejects := readRejects(t, o.RejectsPath)
	require.Len(t, rejects, 300)
	for _, one := range rejects {
		require.Len(t, one.Reasons, 3, one.Line)
	}
}
