package retry

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-resty/resty/v2"
	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/internal/text"
)

func TestDelay(t *testing.T) {
	p := Policy{}.withDefaults()
	second := time.Second
	for n, most := range []time.Duration{
		second / 2, second, 2 * second, 4 * second, 8 * second, 16 * second, 32 * second, time.Minute, time.Minute,
	} {
		for range 100 {
			require.LessOrEqual(t, p.delay(n), most)
			require.GreaterOrEqual(t, p.delay(n), most/2)
		}
	}
	require.LessOrEqual(t, p.delay(1_000_000), time.Minute)
	p.BaseDelay, p.MaxDelay = 1<<62, 1<<62
	require.Positive(t, p.delay(5))
}

func TestParseRetryAfter(t *testing.T) {
	now := time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)
	for in, want := range map[string]time.Duration{
		"": 0, "0": 0, "1": time.Second, " 7 ": 7 * time.Second, "300": 300 * time.Second, "301": 300 * time.Second,
		"99999999999999999999999": 300 * time.Second, "-1": 0, "1.5": 0, "soon": 0, "+5": 0, "0x10": 0,
		now.Add(time.Minute).Format(http.TimeFormat):  time.Minute,
		now.Add(time.Hour).Format(http.TimeFormat):    300 * time.Second,
		now.Add(-time.Minute).Format(http.TimeFormat): 0,
		now.Format(http.TimeFormat):                   0,
	} {
		require.Equal(t, want, parseRetryAfter(in, now), in)
	}
}

// An answer can nest as deep as it is long. Looking for words at each depth would take half a
// minute.
func TestTextOfADeepAnswer(t *testing.T) {
	const depth = maxRead / len(`{"error":}`)
	a := &Answer{Status: 400, Body: []byte(strings.Repeat(`{"error":`, depth) + `1` + strings.Repeat("}", depth))}
	began := time.Now()
	said := a.text(func(s string) string { return s })
	require.Less(t, time.Since(began), 5*time.Second)
	require.Equal(t, text.Clip(string(a.Body), maxText), said)
}

func TestPausesAreForgotten(t *testing.T) {
	c := New(resty.New())
	at := func(i int) limit { return limit{credential: fmt.Sprint(i)} }
	for i := range 1000 {
		c.pause(at(i), time.Hour)
	}
	c.pause(at(2), time.Second)
	require.Greater(t, c.remaining(at(2)), 59*time.Minute, "a shorter pause does not end a longer one")
	require.Zero(t, c.remaining(at(5000)))

	past := time.Now().Add(-time.Second)
	for i := range 900 {
		c.until[at(i)] = past
	}
	require.LessOrEqual(t, c.remaining(at(0)), time.Duration(0))
	c.pause(at(5000), time.Hour)
	require.Len(t, c.until, 101)
}

func TestErrorTexts(t *testing.T) {
	require.Equal(t, "the request failed: rejected", (&Error{Code: Rejected}).Error())
	require.Equal(t, "the receiver answered 418 (i'm a teapot): short and stout",
		(&Error{Status: 418, Text: "short and stout"}).Error())
}
