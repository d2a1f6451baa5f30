package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) {
	// The sink is this program, which is the test here.
	if runAsSink() || runAsChild() {
		return
	}
	m.Run()
}

func TestQuantile(t *testing.T) {
	require.Zero(t, quantile(nil, 0.5))
	require.InDelta(t, 3, quantile([]float64{5, 1, 3}, 0.5), 1e-9)
	require.InDelta(t, 2.5, quantile([]float64{1, 2, 3, 4}, 0.5), 1e-9)
	require.InDelta(t, 4, quantile([]float64{4, 1}, 1), 1e-9)
}

// The median is that of the ratios, each of one round, and the best of theirs counts in each.
func TestRatio(t *testing.T) {
	of := func(values ...float64) (out []sample) {
		for _, v := range values {
			out = append(out, sample{value: v})
		}
		return out
	}
	samples := map[string][]sample{"us": of(10, 100, 30), "slow": of(1, 2, 5), "fast": of(2, 10)}
	faster := resultOf(line{ours: "us", theirs: []string{"slow", "fast"}, more: true}, samples)
	require.Equal(t, 2, faster.rounds)
	require.InDelta(t, 7.5, faster.measured, 1e-9) // of 10/2 and 100/10
	shorter := resultOf(line{ours: "us", theirs: []string{"slow", "fast"}}, samples)
	require.InDelta(t, 30, shorter.measured, 1e-9) // of 10/1 and 100/2
	require.InDelta(t, 30, resultOf(line{ours: "us"}, samples).measured, 1e-9)
}

func TestGoals(t *testing.T) {
	require.Equal(t, "at most 1/15", atMost(1.0/15, fraction).String())
	require.Equal(t, "at least 30 %", atLeast(0.3, percent).String())
	require.Equal(t, "at least 12 ×", atLeast(12, times).String())
	require.Equal(t, "met", atMost(1.3, times).verdict(1.3))
	require.Equal(t, "missed", atMost(1.3, times).verdict(1.31))
	require.Equal(t, "missed", atLeast(12, times).verdict(11.9))
	require.Empty(t, none(times).verdict(1))
	require.Equal(t, "1,234,567", grouped(1234567))
	require.Equal(t, "-123", grouped(-123))
	require.Equal(t, "12.3", digits(12.34))
}

// Names are how a person chooses, so they must tell lines apart, and each line must have what it
// compares.
func TestSections(t *testing.T) {
	all := sections(settings{})
	names := map[string]bool{}
	for _, g := range all {
		for _, l := range g.lines {
			require.False(t, names[l.name], l.name)
			names[l.name] = true
		}
	}
	only := wanted(all, regexp.MustCompile(`^batch/map/`))
	require.Len(t, only, 1)
	require.Len(t, only[0].lines, 1)
	require.Len(t, only[0].contenders, 3)
}

func TestCountEvents(t *testing.T) {
	body := makeEvents(1000)
	docs := documents(body, 1000, timeLayout)
	for _, size := range []int{16, 17, 100, 1 << 20} {
		for _, reader := range []io.Reader{
			bytes.NewReader(docs[0]), iotest.OneByteReader(bytes.NewReader(docs[0])),
			iotest.DataErrReader(bytes.NewReader(docs[0])),
		} {
			events, n, err := countEvents(reader, make([]byte, size))
			require.NoError(t, err)
			require.Equal(t, 1000, events)
			require.Len(t, docs[0], n)
		}
	}
	_, _, err := countEvents(iotest.ErrReader(errors.New("broken")), make([]byte, 16))
	require.EqualError(t, err, "broken")
}

func TestIDs(t *testing.T) {
	ids, err := idsOf([]byte(`{"messageId":"of the batch","batch":[{"event":"E","messageId":"a"},{"event":"E",` +
		`"messageId":"b"}]}`))
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b"}, ids)
	_, err = idsOf([]byte(`{"event":"E"}`))
	require.Error(t, err)
	_, err = idsOf([]byte(`{`))
	require.Error(t, err)
}

// What is measured must be what the peers can send: JSON of about the size that the guide speaks
// of.
func TestEvents(t *testing.T) {
	require.True(t, json.Valid(orderEvent()))
	require.InDelta(t, 1160, len(orderEvent()), 60)
	docs := documents(makeEvents(100), 50, timeLayout)
	require.Len(t, docs, 2)
	for _, d := range docs {
		require.True(t, json.Valid(d))
		require.InDelta(t, 500, len(d)/50, 60)
	}
}

// A whole run: what was sent is what the sink counted, or it fails.
func TestRun(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	var out bytes.Buffer
	require.NoError(t, run(t.Context(),
		[]string{
			"-quick", "-json", "-rounds", "1", "-node", "nowhere", "-only",
			"^(validation/typed$|call/16|batch|delivery/(coalesced/256|durable)|import/rate$|scale)",
		}, &out))
	var sent, stored, skips int
	for line := range strings.Lines(out.String()) {
		var object struct {
			Delivery *receipts
			Stored   *storage
			Skipped  any
			Summary  map[string]int
		}
		require.NoError(t, json.Unmarshal([]byte(line), &object))
		if d := object.Delivery; d != nil {
			require.Equal(t, d.Sent, d.Counted, d.Contender)
			sent += d.Sent
		}
		if k := object.Stored; k != nil {
			require.Equal(t, k.Acknowledged, k.Waiting, k.Contender)
			stored += k.Waiting
		}
		if object.Skipped != nil {
			skips++
		}
	}
	require.Equal(t, 2, skips, "the client for Node is nowhere, and imports take too long")
	require.Greater(t, stored, 10_000)
	require.Greater(t, sent, 100_000)
}

func TestSlowness(t *testing.T) {
	require.Equal(t, 20*time.Millisecond, slowness(slow(20*time.Millisecond)+"/v1/track"))
	require.Zero(t, slowness("/v1/track"))
	require.Zero(t, slowness("/after/never/v1/track"))
}

// What is appended is in the file when it is acknowledged, each line whole.
func TestLogFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l, err := newLogFile(path)
	require.NoError(t, err)
	var group sync.WaitGroup
	for i := range 100 {
		group.Go(func() {
			line := fmt.Sprintf("line %03d", i)
			assert.NoError(t, l.append([]byte(line)))
			data, err := os.ReadFile(path)
			assert.NoError(t, err)
			assert.Contains(t, strings.Split(string(data), "\n"), line)
		})
	}
	group.Wait()
	require.NoError(t, l.close())
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, 100, bytes.Count(data, []byte("\n")))
}

// The file that is imported has one marker a line: that is what is counted.
func TestLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.ndjson")
	require.NoError(t, writeLines(path, batchKinds+7))
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, batchKinds+7, bytes.Count(data, []byte("\n")))
	require.Equal(t, batchKinds+7, bytes.Count(data, []byte{marker}))
}

func TestChild(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	report := filepath.Join(t.TempDir(), "report.json")
	require.NoError(t, runCommand(report, self, []string{"-test.list=^$"}))
	var took childReport
	data, err := os.ReadFile(report)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &took))
	require.Positive(t, took.Seconds)
	require.Error(t, runCommand(report, self+".nowhere", nil))
}

func TestArguments(t *testing.T) {
	require.ErrorContains(t, run(t.Context(), []string{"-only", "("}, io.Discard), "-only")
	require.ErrorContains(t, run(t.Context(), []string{"-only", "nothing"}, io.Discard), "no line matches")
	require.ErrorContains(t, run(t.Context(), []string{"fast"}, io.Discard), "takes flags only")
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"-list"}, &out))
	require.Contains(t, out.String(), "batch/raw/limit")
}

func TestPicture(t *testing.T) {
	g := growth{
		Events: []eventsRow{{Events: 1, Wall: 200, CPU: 100}, {Events: 1_000_000, Wall: 2, CPU: 3}},
		Callers: []callersRow{
			{Callers: 1, P50: 50, P99: 500, PerSecond: 12345},
			{Callers: 1024, P50: 5000, P99: 50000, PerSecond: 20000},
		},
	}
	d := xml.NewDecoder(bytes.NewReader(g.draw()))
	for {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
	}
	require.NotContains(t, string(g.draw()), "NaN")
	require.Contains(t, string(g.draw()), ">12k<")
	require.Contains(t, string(g.draw()), ">1M<")
	require.Contains(t, string(g.draw()), ">1,024<")
}
