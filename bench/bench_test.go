package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) {
	// The bench starts its own binary as workers and as the sink. Here, that is the test binary.
	if !runAsChild() {
		m.Run()
	}
}

func TestQuantile(t *testing.T) {
	require.Zero(t, quantile(nil, 0.5))
	require.InDelta(t, 3, quantile([]float64{5, 1, 3}, 0.5), 1e-9)
	require.InDelta(t, 2.5, quantile([]float64{1, 2, 3, 4}, 0.5), 1e-9)
	require.InDelta(t, 4, quantile([]float64{4, 1}, 1), 1e-9)
}

// Each round compares the worst of our contenders with the best of the others. The result is the
// median over the rounds.
func TestResults(t *testing.T) {
	of := func(values ...float64) (out []sample) {
		for _, v := range values {
			out = append(out, sample{CPU: v, Units: 1})
		}
		return out
	}
	samples := map[string][]sample{"us": of(10, 100, 30), "slow": of(1, 20, 5), "fast": of(2, 10)}
	for how, want := range map[comparison]float64{ratio: 10, cheaper: 0.1, added: (9.0 + 90) / 2} {
		r := resultOf(cpuWhole().of("line", goal{}, "", "us").over(how, "slow", "fast"), samples)
		require.Equal(t, 2, r.rounds)
		require.InDelta(t, want, r.value, 1e-9)
	}
	require.InDelta(t, 30, resultOf(cpuWhole().of("line", goal{}, "", "us"), samples).value, 1e-9)
	worst := resultOf(cpuWhole().of("line", goal{}, "", "fast", "slow"), samples)
	require.InDelta(t, (2+20)/2, worst.value, 1e-9)
	require.Equal(t, "slow", worst.worst)
}

func TestVerdicts(t *testing.T) {
	most, least := atMost(1.5), atLeast(9)
	require.Equal(t, met, most.verdict(1.2, 1.5))
	require.Equal(t, near, most.verdict(1.4, 1.6))
	require.Equal(t, missed, most.verdict(1.6, 1.7))
	require.Equal(t, met, least.verdict(9, 12))
	require.Equal(t, near, least.verdict(8, 12))
	require.Equal(t, missed, least.verdict(7, 8))
	require.Empty(t, goal{}.verdict(1, 2))
	slow := result{line: cpuMicros().of("line", most, "", "us"), low: 2, high: 3, busy: true}
	require.Equal(t, busy, slow.verdict())
	slow.how = ratio
	require.Equal(t, missed, slow.verdict())
	require.Equal(t, "1,234,567", grouped(1234567))
	require.Equal(t, "-123", grouped(-123))
	require.Equal(t, "12.3", digits(12.34))
}

// Users choose lines by name, so each name must be unique. Each line must have the contenders that
// it compares, and each worker must find its contender by name.
func TestSections(t *testing.T) {
	all := sections(settings{large: true})
	names := map[string]bool{}
	for _, g := range all {
		sides := map[string]bool{}
		for _, c := range g.contenders {
			sides[c.name] = true
			_, ok := find(c.name, false)
			require.True(t, ok, c.name)
		}
		for _, l := range g.lines {
			require.False(t, names[l.name], l.name)
			names[l.name] = true
			for _, name := range l.contenders() {
				require.True(t, sides[name], name)
			}
		}
	}
	only := wanted(all, regexp.MustCompile(`^batch/map/analytics-go$`))
	require.Len(t, only, 1)
	require.Len(t, only[0].lines, 1)
	require.Len(t, only[0].contenders, 3)
}

func TestCountEvents(t *testing.T) {
	doc := documents(makeEvents(1000, usual()), 1000)[0]
	for _, size := range []int{16, 17, 100, 1 << 20} {
		for _, reader := range []io.Reader{
			bytes.NewReader(doc), iotest.OneByteReader(bytes.NewReader(doc)),
			iotest.DataErrReader(bytes.NewReader(doc)),
		} {
			events, n, err := countEvents(reader, make([]byte, size))
			require.NoError(t, err)
			require.Equal(t, 1000, events)
			require.Len(t, doc, n)
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
	for _, wrong := range []string{`{"event":"E"}`, `{`} {
		_, err = idsOf([]byte(wrong))
		require.Error(t, err)
	}
}

// Each shape must produce JSON of the size in its name, less what the wire adds.
func TestShapes(t *testing.T) {
	for i, size := range []int{190, 500, 1280, 7900} {
		doc := documents(makeEvents(100, shapes()[i]), 100)[0]
		require.True(t, json.Valid(doc))
		require.InEpsilon(t, size, len(doc)/100, 0.1, shapes()[i].name)
	}
}

// The sink counts markers, so each line of the imported file must have exactly one.
func TestLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.ndjson")
	require.NoError(t, writeLines(path, kindsOfLines(), 2*linesOfKinds))
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, 2*linesOfKinds, bytes.Count(data, []byte("\n")))
	require.Equal(t, 2*linesOfKinds, bytes.Count(data, []byte{marker}))
}

// In a whole run, the sink counts all that was sent, the file holds all that was stored, and -svg
// writes a picture.
func TestRun(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	picture, profiles := filepath.Join(t.TempDir(), "scale.svg"), t.TempDir()
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), []string{
		"-quick", "-json", "-node", "nowhere", "-svg", picture, "-cpuprofile", profiles, "-only",
		`^(validation/json|call/2ms/1/|batch/raw|rest/batch|mcp/call$|durable/16/|dead|import$|scale/(events|callers)/1\d*$)`,
	}, &out))
	var sent, stored, skips int
	for line := range strings.Lines(out.String()) {
		var object struct {
			Delivery *tally
			Skipped  any
		}
		require.NoError(t, json.Unmarshal([]byte(line), &object))
		if d := object.Delivery; d != nil {
			require.Equal(t, d.Sent, d.Counted, d.Contender)
			require.Equal(t, d.Stored, d.Found, d.Contender)
			sent, stored = sent+d.Sent, stored+d.Stored
		}
		if object.Skipped != nil {
			skips++
		}
	}
	require.Equal(t, 2, skips, "the client for Node is not installed, and -quick skips imports")
	require.Greater(t, stored, 10_000)
	require.Greater(t, sent, 50_000)
	data, err := os.ReadFile(picture)
	require.NoError(t, err)
	require.NoError(t, xml.Unmarshal(data, new(struct{})))
	require.NotContains(t, string(data), "NaN")
	require.FileExists(t, filepath.Join(profiles, "batch%20raw.pprof"))
}

// The bench compares what a contender claims to have sent with what arrives. Here, nothing arrives.
func TestMiscounts(t *testing.T) {
	sink, err := startSink(t.Context())
	require.NoError(t, err)
	b := &bench{sink: sink, report: &report{out: io.Discard}}
	for name, said := range map[string]string{"sent": `{"Sent":1}`, "stored": `{"Stored":2,"Found":1}`} {
		worker := &process{ask: json.NewEncoder(io.Discard), answer: json.NewDecoder(strings.NewReader(said))}
		_, err := b.once(t.Context(), contender{name: name}, worker, false)
		require.NoError(t, err)
	}
	require.NoError(t, sink.stop())
	require.Len(t, b.miscounts, 2)
	require.ErrorContains(t, errors.Join(b.miscounts...), "sent: sent 1 events, the sink counted 0")
	require.ErrorContains(t, errors.Join(b.miscounts...), "stored: 2 events were acknowledged, 1 are in the file")
}

func TestArguments(t *testing.T) {
	require.ErrorContains(t, run(t.Context(), []string{"-only", "("}, io.Discard), "-only")
	require.ErrorContains(t, run(t.Context(), []string{"-only", "nothing"}, io.Discard), "no line matches")
	require.ErrorContains(t, run(t.Context(), []string{"fast"}, io.Discard), "takes flags only")
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"-list"}, &out))
	require.Contains(t, out.String(), "batch/raw/analytics-go")
}
