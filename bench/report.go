package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
)

// report prints: lines for people or, one object a line, JSON.
type report struct {
	out    io.Writer
	asJSON bool

	met, missed, skipped int
	sent                 []*receipts // since the last deliveries
	stored               []*storage
}

// receipts are what a contender has sent in all its runs.
type receipts struct {
	Contender string `json:"contender"`
	Sent      int    `json:"sent"`
	Counted   int    `json:"counted"`
	// Verified is of the run in which every messageId was looked at.
	Verified int `json:"verified"`
	Distinct int `json:"distinctIds"`
	Requests int `json:"requests"`
	Bytes    int `json:"bytes"`
}

// storage is what has been acknowledged to a contender by a store, in all its runs, and what was
// found in the file.
type storage struct {
	Contender    string `json:"contender"`
	Acknowledged int    `json:"acknowledged"`
	Waiting      int    `json:"waiting"`
}

func (r *report) print(format string, args ...any) {
	_, _ = fmt.Fprintf(r.out, format, args...) // nobody is left to tell
}

func (r *report) object(kind string, value any) {
	data, err := json.Marshal(map[string]any{kind: value})
	if err != nil {
		data = []byte(fmt.Sprintf(`{"error":%q}`, err))
	}
	r.print("%s\n", data)
}

func (r *report) list(groups []group) {
	for _, g := range groups {
		if g.table != nil {
			r.print("%-34s a table\n", g.name)
		}
		for _, l := range g.lines {
			r.print("%-34s %-16s against %s\n", l.name, l.goal, l.against)
		}
	}
}

func (r *report) machine(f facts, quick bool) {
	if r.asJSON {
		r.object("machine", f)
		return
	}
	if quick {
		r.print("quick: look at what is delivered, not at the ratios\n")
	}
	r.print("%s/%s, %d cores, %s, %s\n", f.OS, f.Arch, f.Cores, f.CPU, f.Go)
	r.print("%s\n\n", strings.Join(f.Peers, ", "))
}

func (r *report) line(res result) {
	switch res.goal.verdict(res.measured) {
	case "met":
		r.met++
	case "missed":
		r.missed++
	}
	if r.asJSON {
		r.object("line", jsonLine(res))
		return
	}
	r.print("%-34s %9s   %-16s %-7s %s\n", res.name, res.goal.style.write(res.measured), res.goal,
		res.goal.verdict(res.measured), explain(res))
}

// explain says what was measured, and against what.
func explain(res result) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", digits(res.ours.value), res.unit)
	if res.ours.cpu > 0 {
		fmt.Fprintf(&b, " (CPU %s µs/event)", digits(res.ours.cpu))
	}
	if len(res.line.theirs) > 0 {
		fmt.Fprintf(&b, " against %s of", digits(res.theirs))
	} else {
		b.WriteString(",")
	}
	fmt.Fprintf(&b, " %s", res.against)
	if res.rounds > 2 && len(res.line.theirs) > 0 {
		fmt.Fprintf(&b, "; half of %d rounds %s to %s", res.rounds, res.goal.style.write(res.low),
			res.goal.style.write(res.high))
	}
	return b.String()
}

func jsonLine(res result) map[string]any {
	out := map[string]any{
		"name": res.name, "measured": res.measured, "low": res.low, "high": res.high, "rounds": res.rounds,
		"ours": res.ours.value, "unit": res.unit, "against": res.against,
	}
	if len(res.line.theirs) > 0 {
		out["theirs"] = res.theirs
	}
	if res.ours.cpu > 0 {
		out["cpuMicrosPerEvent"] = res.ours.cpu
	}
	switch res.goal.sense {
	case mostGoal:
		out["atMost"], out["met"] = res.goal.bound, res.goal.met(res.measured)
	case leastGoal:
		out["atLeast"], out["met"] = res.goal.bound, res.goal.met(res.measured)
	}
	return out
}

func (r *report) skip(l line, why string) {
	r.skipped++
	if r.asJSON {
		r.object("skipped", map[string]any{"name": l.name, "why": why})
		return
	}
	r.print("%-34s %9s   %-16s %-7s %s\n", l.name, "-", l.goal, "skipped", why)
}

func (r *report) delivered(name string, s sample, got counts, verified bool) {
	i := slices.IndexFunc(r.sent, func(d *receipts) bool { return d.Contender == name })
	if i < 0 {
		i = len(r.sent)
		r.sent = append(r.sent, &receipts{Contender: name})
	}
	d := r.sent[i]
	d.Sent, d.Counted = d.Sent+s.sent, d.Counted+got.Events
	d.Requests, d.Bytes = d.Requests+got.Requests, d.Bytes+got.Bytes
	if verified {
		d.Verified, d.Distinct = s.sent, got.Distinct
	}
}

func (r *report) kept(name string, s sample) {
	if s.kept == 0 {
		return
	}
	i := slices.IndexFunc(r.stored, func(k *storage) bool { return k.Contender == name })
	if i < 0 {
		i = len(r.stored)
		r.stored = append(r.stored, &storage{Contender: name})
	}
	r.stored[i].Acknowledged += s.kept
	r.stored[i].Waiting += s.waiting
}

// deliveries prints what has been sent and stored since it was last called.
func (r *report) deliveries() {
	for _, d := range r.sent {
		if r.asJSON {
			r.object("delivery", d)
			continue
		}
		r.print("    delivered  %-22s %s of %s events in %s requests of %s B an event", d.Contender, grouped(d.Counted),
			grouped(d.Sent),
			grouped(d.Requests), grouped(d.Bytes/max(1, d.Counted)))
		if d.Verified > 0 {
			r.print("; different messageIds: %s in %s events", grouped(d.Distinct), grouped(d.Verified))
		}
		r.print("\n")
	}
	for _, k := range r.stored {
		if r.asJSON {
			r.object("stored", k)
			continue
		}
		r.print("    stored     %-22s %s of %s acknowledged events are in the file\n", k.Contender, grouped(k.Waiting),
			grouped(k.Acknowledged))
	}
	r.sent, r.stored = nil, nil
}

func (r *report) summary() {
	if r.asJSON {
		r.object("summary", map[string]int{"goals": r.met + r.missed, "met": r.met, "missed": r.missed, "skipped": r.skipped})
		return
	}
	r.print("\n%d of %d goals met", r.met, r.met+r.missed)
	if r.skipped > 0 {
		r.print(", %d lines skipped", r.skipped)
	}
	r.print("\n")
}
