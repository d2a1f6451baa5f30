package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
)

// report prints the results: text for people or, with -json, one JSON object per line.
type report struct {
	out    io.Writer
	asJSON bool

	results []result
	busy    bool
	shown   string // the details that were last printed below a line
	skipped int
	counts  []*tally // since deliveries was last called
}

// tally counts what a contender has sent and stored in all its runs.
type tally struct {
	Contender string `json:"contender"`
	Sent      int    `json:"sent"`
	Counted   int    `json:"counted"`
	// Verified belongs to the run in which the sink looked at every messageId.
	Verified int `json:"verified"`
	Distinct int `json:"distinctIds"`
	Requests int `json:"requests"`
	Bytes    int `json:"bytes"`
	Stored   int `json:"stored"`
	Found    int `json:"found"`
}

func (r *report) print(format string, args ...any) {
	_, _ = fmt.Fprintf(r.out, format, args...) // there is nowhere to report the error
}

func (r *report) object(kind string, value any) {
	data, err := json.Marshal(map[string]any{kind: value})
	if err != nil {
		data = fmt.Appendf(nil, `{"error":%q}`, err)
	}
	r.print("%s\n", data)
}

func (r *report) list(groups []group) {
	for _, g := range groups {
		for _, l := range g.lines {
			r.print("%-32s %-14s %-14s\n    %s\n", l.name, l.goal, l.unit(), l.note)
		}
	}
}

func (r *report) machine(f facts, quick bool) {
	r.busy = f.busy()
	if r.asJSON {
		r.object("machine", f)
		return
	}
	if quick {
		r.print("quick: look at what is delivered, not at the figures\n")
	}
	r.print("%s/%s, %d cores, %s, %s, load %s\n", f.OS, f.Arch, f.Cores, f.CPU, f.Go, f.Load)
	r.print("disk: %s\n%s\n", f.Disk, strings.Join(f.Peers, "\n"))
	if r.busy {
		r.print("the machine is busy: work takes more CPU time than on a quiet one\n")
	}
	r.print("\n")
}

func (r *report) line(res result) {
	res.busy = r.busy
	r.results = append(r.results, res)
	if r.asJSON {
		r.object("line", jsonLine(res))
		return
	}
	r.print("%-28s %9s %-14s %-14s %s\n", res.name, digits(res.value), res.unit(), res.goal, res.verdict())
	if how := explain(res); how != "" {
		r.print("    %s\n", how)
	}
	if seen := besides(res.seen); seen != r.shown {
		r.print("    %s: %s\n", res.worst, seen)
		r.shown = seen
	}
}

// explain returns the range of the middle half of the rounds, and the two values that were
// compared.
func explain(res result) string {
	var parts []string
	if res.rounds > 2 {
		parts = append(parts,
			fmt.Sprintf("%s to %s in half of %d rounds", digits(res.low), digits(res.high), res.rounds))
	}
	if len(res.against) > 0 {
		parts = append(parts, fmt.Sprintf("%s against %s %s", digits(res.ours), digits(res.theirs), res.metric.unit))
	}
	return strings.Join(parts, "; ")
}

// besides returns the other measurements, which are for information only.
func besides(s sample) string {
	var parts []string
	if s.P99 > 0 {
		parts = append(parts, fmt.Sprintf("p50 %s and p99 %s µs", digits(s.P50), digits(s.P99)))
	}
	if s.Wall > 0 && s.Units > 1 {
		parts = append(parts, digits(float64(s.Units)/s.Wall)+"/s")
	}
	if s.Allocated > 0 && s.Units > 1 {
		parts = append(parts, digits(s.Allocated/1e3/float64(s.Units))+" KB each")
	}
	return strings.Join(append(parts, digits(s.Peak/1e6)+" MB peak"), ", ")
}

func jsonLine(res result) map[string]any {
	out := map[string]any{
		"name": res.name, "value": res.value, "unit": res.unit(), "low": res.low, "high": res.high,
		"rounds": res.rounds, "ours": res.ours, "metric": res.metric.unit, "note": res.note, "seen": res.seen,
	}
	if len(res.against) > 0 {
		out["theirs"] = res.theirs
	}
	switch res.goal.sense {
	case mostGoal:
		out["atMost"], out["verdict"] = res.goal.bound, res.verdict()
	case leastGoal:
		out["atLeast"], out["verdict"] = res.goal.bound, res.verdict()
	}
	return out
}

func (r *report) skip(l line, why string) {
	r.skipped++
	if r.asJSON {
		r.object("skipped", map[string]any{"name": l.name, "why": why})
		return
	}
	r.print("%-28s %9s %-14s %-14s skipped\n    %s\n", l.name, "-", l.unit(), l.goal, why)
}

// ran records what a run has sent, for deliveries.
func (r *report) ran(name string, s sample, got sinkCounts, verified bool) {
	i := slices.IndexFunc(r.counts, func(t *tally) bool { return t.Contender == name })
	if i < 0 {
		i = len(r.counts)
		r.counts = append(r.counts, &tally{Contender: name})
	}
	t := r.counts[i]
	t.Sent, t.Counted = t.Sent+s.Sent, t.Counted+got.Events
	t.Requests, t.Bytes = t.Requests+got.Requests, t.Bytes+got.Bytes
	t.Stored, t.Found = t.Stored+s.Stored, t.Found+s.Found
	if verified {
		t.Verified, t.Distinct = s.Sent, got.Distinct
	}
}

// deliveries prints what has been sent and stored since it was last called.
func (r *report) deliveries() {
	for _, t := range r.counts {
		if r.asJSON {
			r.object("delivery", t)
			continue
		}
		if t.Sent > 0 {
			r.print("    %s delivered %s of %s, %s requests, %s B each; %s ids in %s\n", t.Contender,
				grouped(t.Counted), grouped(t.Sent), grouped(t.Requests), grouped(t.Bytes/max(1, t.Counted)),
				grouped(t.Distinct), grouped(t.Verified))
		}
		if t.Stored > 0 {
			r.print("    %s stored %s, %s found in its file\n", t.Contender, grouped(t.Stored), grouped(t.Found))
		}
	}
	r.counts = nil
	if !r.asJSON {
		r.print("\n")
	}
}

func (r *report) summary() {
	verdicts := map[string]int{"skipped": r.skipped}
	for _, res := range r.results {
		if v := res.verdict(); v != "" {
			verdicts[v]++
		}
	}
	if r.asJSON {
		r.object("summary", verdicts)
		return
	}
	r.print("goals: %d met, %d close, %d missed, %d not known on a busy machine; %d lines skipped\n",
		verdicts[met], verdicts[near], verdicts[missed], verdicts[busy], r.skipped)
}
