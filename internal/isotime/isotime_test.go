package isotime_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/aacflow/segment-blocks/internal/isotime"
)

func TestParse(t *testing.T) {
	for in, want := range map[string]string{
		"2024-01-02":                          "2024-01-02T00:00:00.000Z",
		"20240102":                            "2024-01-02T00:00:00.000Z",
		"2024-01-02T15:04":                    "2024-01-02T15:04:00.000Z",
		"2024-01-02T15:04:05":                 "2024-01-02T15:04:05.000Z",
		"2024-01-02T15:04:05Z":                "2024-01-02T15:04:05.000Z",
		"2024-01-02t15:04:05z":                "2024-01-02T15:04:05.000Z",
		"2024-01-02 15:04:05Z":                "2024-01-02T15:04:05.000Z",
		"2024-01-02T15:04Z":                   "2024-01-02T15:04:00.000Z",
		"2024-01-02T15:04:05.1Z":              "2024-01-02T15:04:05.100Z",
		"2024-01-02T15:04:05,123456Z":         "2024-01-02T15:04:05.123Z",
		"2024-01-02T15:04:05.9999999999999Z":  "2024-01-02T15:04:05.999Z",
		"2024-01-02T15:04:05+02:00":           "2024-01-02T13:04:05.000Z",
		"2024-01-02T15:04:05-0330":            "2024-01-02T18:34:05.000Z",
		"2024-01-02T15:04:05+02":              "2024-01-02T13:04:05.000Z",
		"2024-01-02T00:30:00.5+01:00":         "2024-01-01T23:30:00.500Z",
		"20240102T150405Z":                    "2024-01-02T15:04:05.000Z",
		"20240102T1504Z":                      "2024-01-02T15:04:00.000Z",
		"20240102T150405.25+0100":             "2024-01-02T14:04:05.250Z",
		"2024-02-29":                          "2024-02-29T00:00:00.000Z",
		"0001-01-01":                          "0001-01-01T00:00:00.000Z",
		"9999-12-31T23:59:59.999Z":            "9999-12-31T23:59:59.999Z",
		"2024-01-02T15:04:05.123456789+23:59": "2024-01-01T15:05:05.123Z",
		"2016-12-31T23:59:60Z":                "2016-12-31T23:59:59.999Z",
		"2016-12-31T23:59:60.5Z":              "2016-12-31T23:59:59.999Z",
		"20150630T235960":                     "2015-06-30T23:59:59.999Z",
		"2017-01-01T08:59:60+09:00":           "2016-12-31T23:59:59.999Z",
		"2015-06-30T20:29:60.250-0330":        "2015-06-30T23:59:59.999Z",
	} {
		got, err := isotime.Parse(in)
		require.NoError(t, err, in)
		require.Equal(t, want, isotime.Format(got), in)
		require.Equal(t, time.UTC, got.Location(), in)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, in := range []string{
		"", " ", "yesterday", "now", "2024", "2024-01", "1704207845", "1704207845000", "1.7e9", "2024-13-01",
		"2024-00-01",
		"2024-01-00",
		"2024-02-30", "2023-02-29", "2024-01-32", "0000-01-01", "2024-1-2", "24-01-02", "2024/01/02", "02.01.2024",
		"+02024-01-02", "-2024-01-02",
		"2024-01-02T", "2024-01-02T15", "2024-01-02T24:00:00Z", "2024-01-02T15:60:00Z", "2024-01-02T15:04:60Z",
		"2024-01-02T15:04:05.", "2024-01-02T15:04:05.Z",
		"2024-01-02T15:04:05+24:00", "2024-01-02T15:04:05+02:60", "2024-01-02T15:04:05+2", "2024-01-02T15:04:05+02:",
		"2024-01-02T15:04:05 Z",
		"2024-01-02T15:04:05Zjunk", "2024-01-02Z", " 2024-01-02", "2024-01-02 ", "2024-01-02T1504:05Z",
		"20240102T15:04:05Z",
		"2024-0102", "202401-02",
		"2024-W01-2", "2024-002", "2024-01-02T15:04:05 PST", "Tue, 02 Jan 2024 15:04:05 GMT", "２０２４-01-02",
		"2024-01-02T15:04:05−02:00",
		"2016-12-31T23:59:61Z", "2016-12-30T23:59:60Z", "2016-12-31T22:59:60Z", "2016-12-31T23:58:60Z",
		"2016-12-31T23:59:60+01:00", "2016-09-30T23:59:60Z",
		"2016-06-31T23:59:60Z", "1971-12-31T23:59:60Z", "9999-12-31T23:59:60-01:00",
		"0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00", "2024-01-02T15:04:05.1234567890Z\x00",
		"2024-01-02T15.5Z",
	} {
		_, err := isotime.Parse(in)
		require.Error(t, err, "%q", in)
		require.True(t, strings.HasPrefix(err.Error(), "must be an ISO 8601 date"), err)
	}
}

func TestTimesRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		ms := rapid.Int64Range(time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli(),
			time.Date(9999, 12, 31, 23, 59, 59, 999e6, time.UTC).UnixMilli()).Draw(rt, "ms")
		in := time.UnixMilli(ms)
		text := isotime.Format(in)
		require.Len(rt, text, 24)
		require.Equal(rt, in.UTC().Format("2006-01-02T15:04:05.000Z"), text)
		out, err := isotime.Parse(text)
		require.NoError(rt, err)
		require.True(rt, in.Equal(out))

		zone := time.FixedZone("", rapid.IntRange(-23*60, 23*60).Draw(rt, "offset")*60)
		local := in.In(zone)
		if local.Year() < 1 || local.Year() > 9999 {
			return
		}
		for _, layout := range []string{time.RFC3339Nano, "20060102T150405.000Z0700", "2006-01-02 15:04:05,000-0700"} {
			out, err = isotime.Parse(local.Format(layout))
			require.NoError(rt, err, local.Format(layout))
			require.True(rt, in.Equal(out))
		}
	})
}

func TestAppendWritesInPlace(t *testing.T) {
	text := []byte(`"" + what comes behind it`)
	text = append(text[:1], append(make([]byte, isotime.Size), text[1:]...)...)
	at := time.Date(2026, 1, 31, 9, 30, 0, 123_456_789, time.UTC)
	for _, room := range [][]byte{text[1:1], text[1 : 1 : 1+isotime.Size]} {
		require.Zero(t, testing.AllocsPerRun(10, func() { isotime.Append(room, at) }))
		require.Equal(t, `"2026-01-31T09:30:00.123Z" + what comes behind it`, string(text))
	}
}

func FuzzIsRFC3339(f *testing.F) {
	for _, s := range []string{
		"2024-01-02T15:04:05.123+02:00", "2024-02-29t23:59:59z", "2023-02-29T00:00:00Z",
		"2024-01-02T15:04:05.678Z", "0000-01-01T00:00:00Z", "1900-02-29T00:00:00.000Z",
		"2024-01-02T5:04:05.678Z",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		_, err := time.Parse(time.RFC3339, strings.ToUpper(s))
		ours, parseErr := isotime.Parse(s)
		if isotime.IsRFC3339(s) {
			require.NoError(t, err, s)
			// Go reads an hour of one digit
			require.Regexp(t, `^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$`, s)
		}
		require.Equal(t, isotime.IsRFC3339(s), isotime.IsRFC3339([]byte(s)))
		require.Equal(t, parseErr == nil && isotime.Format(ours) == s, isotime.IsFormatted(s), s)
	})
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"2024-01-02T15:04:05.123+02:00", "20240102T150405Z", "2024-01-02", "2024-02-30",
		"2024-01-02 15:04,5", "2016-12-31T23:59:60Z", "0001-01-01T00:00+01",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := isotime.Parse(s)
		if err != nil {
			return
		}
		text := isotime.Format(got)
		require.Len(t, text, 24)
		standard, err := time.Parse(time.RFC3339, text)
		require.NoError(t, err)
		require.True(t, standard.Equal(got.Truncate(time.Millisecond)))
		again, err := isotime.Parse(text)
		require.NoError(t, err)
		require.True(t, again.Equal(standard))
		if standard, err := time.Parse(time.RFC3339, s); err == nil { // where Go reads it too, it reads the same
			require.True(t, standard.Equal(got), s)
		}
	})
}
