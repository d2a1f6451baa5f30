package importer

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTimes(t *testing.T) {
	for _, c := range []struct {
		format   TimeFormat
		zone     string
		at, want string // want is a time, or what is wrong
	}{
		{ISO8601, "Europe/Berlin", `"2026-01-31 09:30"`, "2026-01-31T08:30:00.000Z"},
		{ISO8601, "Europe/Berlin", `"2026-07-31T09:30:00Z"`, "2026-07-31T09:30:00.000Z"},
		{ISO8601, "Europe/Berlin", `"2026-07-31"`, "2026-07-30T22:00:00.000Z"},
		{ISO8601, "UTC", `"20260731T093000+0200"`, "2026-07-31T07:30:00.000Z"},
		{ISO8601, "UTC", `"yesterday"`, "must be an ISO 8601 date"},
		{Unix, "", `1769851800`, "2026-01-31T09:30:00.000Z"},
		{Unix, "", `"1769851800.1239"`, "2026-01-31T09:30:00.124Z"},
		{Unix, "", `1.7698518e9`, "2026-01-31T09:30:00.000Z"},
		{Unix, "", `-1`, "1969-12-31T23:59:59.000Z"},
		{Unix, "", `1769851800123`, "looks like milliseconds, --time-format unix-ms: \"1769851800123\""},
		{Unix, "", `"NaN"`, "must be a number"},
		{Unix, "", `"2026-01-31"`, `must be a number, the time since 1970: "2026-01-31"`},
		{UnixMillis, "", `1769851800123`, "2026-01-31T09:30:00.123Z"},
		{UnixMillis, "", `1769851800`, "looks like seconds, --time-format unix"},
		{UnixMillis, "", `1769851800123456`, "looks like microseconds"},
		{RFC3339, "", `"2026-01-31T09:30:00.5+01:00"`, "2026-01-31T08:30:00.500Z"},
		{RFC3339, "", `"2026-01-31"`, "must be a time such as 2006-01-02T15:04:05Z07:00"},
		{RFC1123, "", `"Sat, 31 Jan 2026 09:30:00 GMT"`, "2026-01-31T09:30:00.000Z"},
		{RFC1123, "", `"Sat, 31 Jan 2026 09:30:00 +0100"`, "2026-01-31T08:30:00.000Z"},
		{RFC1123, "", `"Sat, 31 Jan 2026 09:30:00 PST"`, "and not PST"},
		{RFC1123, "America/Los_Angeles", `"Sat, 31 Jan 2026 09:30:00 PST"`, "2026-01-31T17:30:00.000Z"},
		{RFC1123, "Europe/Lisbon", `"Sat, 31 Jan 2026 09:30:00 WET"`, "2026-01-31T09:30:00.000Z"},
		{"02/01/2006 15:04", "America/New_York", `" 31/01/2026 09:30 "`, "2026-01-31T14:30:00.000Z"},
		{"02/01/2006 15:04", "", `"01/31/2026 09:30"`, "must be a time such as 02/01/2006 15:04"},
		{"02/01/2006 15:04", "", `7`, "7"},
	} {
		times, err := newTimes(c.format, c.zone)
		require.NoError(t, err)
		got, fault := times.normal([]byte(c.at))
		if _, err := time.Parse(time.RFC3339, c.want); err == nil {
			require.Equal(t, `"`+c.want+`"`, string(got)+fault, c.at)
		} else {
			require.Contains(t, string(got)+fault, c.want)
		}
	}
	for _, format := range []TimeFormat{"%Y-%m-%d", "2026", "15:04", "epoch", "2006-01", "02 15:04"} {
		_, err := newTimes(format, "")
		require.ErrorContains(t, err, "--time-format must be", format)
	}
	for _, zone := range []string{"Local", "Mars", "../etc/passwd", "CET+1"} {
		_, err := newTimes(ISO8601, zone)
		require.ErrorContains(t, err, "--time-zone must be", zone)
	}
}

// Only timestamps, and columns that are mapped as times, are read as times.
func TestTimesInEvents(t *testing.T) {
	o := Options{
		Type: "track", TimeFormat: Unix, Map: []string{"since=properties.since:time", "timestamp=timestamp:time"},
	}
	require.Equal(t, []string{
		`{"type":"track","timestamp":"2026-01-31T09:30:00.000Z","properties":{"since":"2026-01-31T09:30:01.000Z",` +
			`"n":"1769851801"}}`,
		`invalid_value /properties/since must be a number, the time since 1970: "soon".`,
		`invalid_timestamp /timestamp must be a number, the time since 1970: "now".`,
	}, all(t, CSV, "timestamp,since,n,userId\n1769851800,1769851801,1769851801,\n1,soon,,\nnow,1,,\n", o))

	lines := `{"timestamp":"now"}
{"timestamp":1769851800,"n":1769851800}
{"n":1}
{"reasons":[],"message":{"type":"track","timestamp":"2026-01-31"}}
`
	require.Equal(t, []string{
		`invalid_timestamp /timestamp must be a number, the time since 1970: "now".`,
		`{"type":"track","timestamp":"2026-01-31T09:30:00.000Z","n":1769851800}`,
		`{"type":"track","n":1}`,
		`{"type":"track","timestamp":"2026-01-31"}`,
	}, all(t, JSON, lines, Options{Type: "track", TimeFormat: Unix}))
}

// A corrected row of the file of rejects keeps its time, and so does a line that was no JSON.
func TestTimesOfRejects(t *testing.T) {
	o := Options{Type: "track", TimeZone: "Europe/Berlin", Map: []string{"n=properties.n:number"}}
	o.Files, o.Format = []string{Stdin}, CSV
	o.Stdin = strings.NewReader("userId,timestamp,n\nu,2026-01-31T09:30:00,x\n")
	r := readerOf(t, o)
	e, err := r.next(t.Context())
	require.NoError(t, err)
	require.NotEmpty(t, e.faults)
	require.JSONEq(t, `{"type":"track","userId":"u","timestamp":"2026-01-31T08:30:00.000Z","properties":{"n":"x"}}`,
		string(e.raw))

	o.Map = nil
	lines := `{"reasons":[],"message":{"type":"track","timestamp":"2026-01-31T08:30:00.000Z"}}
{"reasons":[],"message":{"type":"track","timestamp":"2026-01-31T09:30:00"}}
{"reasons":[],"text":"{\"type\":\"track\",\"timestamp\":\"2026-01-31T09:30:00\"}"}
{"timestamp":"soon"}
`
	const want = `{"type":"track","timestamp":"2026-01-31T08:30:00.000Z"}`
	require.Equal(t, []string{want, want, want, "invalid_timestamp /timestamp must be an ISO 8601 date or date-time, " +
		`such as 2024-01-02T15:04:05Z: "soon".`}, all(t, JSON, lines, o))
}

// The block refuses values that cannot be times.
func TestShortTimestamps(t *testing.T) {
	for _, text := range []string{`{"timestamp":"x"}`, `{"timestamp":""}`, `{"timestamp":7}`, `{"timestamp":null}`} {
		require.Equal(t, []string{text}, all(t, JSON, text, Options{}))
	}
}
