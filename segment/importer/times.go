package importer

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aacflow/segment-blocks/internal/isotime"
	"github.com/aacflow/segment-blocks/internal/text"
	"github.com/aacflow/segment-blocks/rawjson"
)

// TimeFormat is a format of times: one of the constants, or a layout of package time, which is the
// second of January 2006 at 15:04:05 in that format, such as "02/01/2006 15:04".
type TimeFormat string

// The formats of times.
const (
	ISO8601    TimeFormat = "iso8601" // in its common forms, such as 2026-01-31T09:30:00Z
	Unix       TimeFormat = "unix"    // seconds since 1970, also with a fraction
	UnixMillis TimeFormat = "unix-ms"
	RFC3339    TimeFormat = "rfc3339"
	RFC1123    TimeFormat = "rfc1123" // such as Sat, 31 Jan 2026 09:30:00 GMT, or +0100 in place of GMT
)

// times reads times of a format.
type times struct {
	format  TimeFormat
	layouts []string
	zone    *time.Location // of times without one; nil for UTC
}

// newTimes returns a reader of times. The zone is a name of the IANA, "" for UTC.
func newTimes(format TimeFormat, zone string) (t times, err error) {
	t.format = format
	switch format {
	case ISO8601, Unix, UnixMillis:
	case RFC3339:
		t.layouts = []string{time.RFC3339}
	case RFC1123:
		t.layouts = []string{time.RFC1123, time.RFC1123Z}
	default:
		t.layouts = []string{string(format)}
		day := time.Date(2021, time.November, 23, 0, 0, 0, 0, time.UTC)
		if got, err := time.Parse(string(format), day.Format(string(format))); err != nil || !got.Equal(day) {
			return t, fmt.Errorf("--time-format must be iso8601, unix, unix-ms, rfc3339, rfc1123, or the second of"+
				" January 2006 at 15:04:05 in that format, such as '02/01/2006 15:04': %q", format)
		}
	}
	if zone == "" {
		return t, nil
	}
	if t.zone, err = time.LoadLocation(zone); err != nil || zone == "Local" {
		return t, fmt.Errorf("--time-zone must be a zone of the IANA database, such as Europe/Berlin or UTC: %q", zone)
	}
	return t, nil
}

// normal returns a time as JSON in the form of package isotime, or says what is wrong with it. It
// returns ISO 8601 as it is if no zone is set, because the block reads that itself.
func (t *times) normal(stamp json.RawMessage) (out json.RawMessage, fault string) {
	if t.format == ISO8601 && t.zone == nil {
		return stamp, ""
	}
	at, _ := rawjson.Text(stamp)
	if (t.format == Unix || t.format == UnixMillis) && rawjson.KindOf(stamp) == rawjson.NumberKind {
		at = string(stamp)
	}
	if at == "" {
		return stamp, "" // it is absent, or of the wrong type, and the block says so
	}
	read, err := t.read(at)
	if err != nil {
		return nil, fmt.Sprintf("%s: %q", err, text.Clip(at, 60))
	}
	return append(isotime.Append([]byte{'"'}, read), '"'), ""
}

// inISO returns the message of a reject with its time as [times.normal] returns it, if it can be
// read.
func (t *times) inISO(message []byte) []byte {
	fields := rawjson.OpenObject(message)
	stamp, given := fields.Get("timestamp")
	if stamp, fault := t.normal(stamp); given && fault == "" {
		return fields.Set("timestamp", stamp).JSON()
	}
	return message
}

func (t *times) read(at string) (read time.Time, err error) {
	zone := cmp.Or(t.zone, time.UTC)
	at = strings.TrimSpace(at)
	switch t.format {
	case ISO8601:
		if read, err = isotime.ParseIn(at, zone); err != nil {
			err = isotime.ErrFormat // without the value, which callers add
		}
		return read, err
	case Unix, UnixMillis:
		return t.readUnix(at)
	}
	for _, layout := range t.layouts {
		if read, err = time.ParseInLocation(layout, at, zone); err == nil {
			break
		}
	}
	if err != nil || read.UTC().Year() < 1 || read.UTC().Year() > 9999 {
		return read, fmt.Errorf("must be a time such as %s", t.layouts[0])
	}
	// Package time takes an unknown abbreviation of a zone for UTC.
	letters := read.Location().String()
	if _, offset := read.Zone(); offset == 0 && !slices.Contains([]string{"", "UTC", "GMT", zone.String()}, letters) {
		return read, fmt.Errorf("must be a time in UTC, or in the zone of --time-zone, or have an offset such as"+
			" +0100, and not %s", letters)
	}
	return read, nil
}

// readUnix reads seconds or milliseconds since 1970. It refuses numbers that look like the other
// unit: Segment accepts an event of 1970, or of the year 50000, and no report ever shows it.
func (t *times) readUnix(at string) (time.Time, error) {
	n, err := strconv.ParseFloat(at, 64)
	if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
		return time.Time{}, errors.New("must be a number, the time since 1970")
	}
	const year9999, early1970 = 253_402_300_799, 1e10
	switch {
	case t.format == Unix && math.Abs(n) > year9999/10:
		return time.Time{}, errors.New("must be seconds since 1970; it looks like milliseconds, --time-format unix-ms")
	case t.format == UnixMillis && math.Abs(n) > year9999*1000:
		return time.Time{}, errors.New("must be milliseconds since 1970; it looks like microseconds")
	case t.format == UnixMillis && n > 0 && n < early1970:
		return time.Time{}, errors.New("must be milliseconds since 1970; it looks like seconds, --time-format unix")
	case t.format == Unix:
		n *= 1000
	}
	return time.UnixMilli(int64(math.Round(n))).UTC(), nil
}
