package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/internal/text"
	"github.com/aacflow/segment-blocks/segment/importer"
)

// progress shows how far an import is, on stderr. Its methods are called by one goroutine at a
// time.
type progress struct {
	kind string
	w    io.Writer
	// every is the time between two updates: what reads them differs in how much it can take.
	every time.Duration
	bar   *progressbar.ProgressBar
	// started is when this run began, last when it was shown.
	started, last time.Time
	// first is what an earlier run had done, nil before anything is sent.
	first *importer.Progress
	now   importer.Progress
}

// newProgress returns a progress of a kind. A bar needs a terminal that can move its cursor; a log
// gets a line now and then, and a program one every second.
func (p *Program) newProgress(kind string) *progress {
	switch {
	case kind != "auto":
	case console.IsTerminal(p.Stderr) && p.Variable("TERM") != "dumb":
		kind = "bar"
	default:
		kind = "plain"
	}
	// A person watches a bar. A log is read later, and should not be full of progress.
	every := map[string]time.Duration{"bar": 100 * time.Millisecond, "json": time.Second, "plain": 5 * time.Second}
	return &progress{kind: kind, w: p.Stderr, every: every[kind], started: time.Now(), last: time.Now()}
}

// show takes the newest counts and shows them, unless it has done so a moment ago.
func (s *progress) show(now importer.Progress) {
	if s.first == nil {
		s.first = &now
	}
	s.now = now
	if s.kind == "none" || time.Since(s.last) < s.every {
		return
	}
	s.last = time.Now()
	switch s.kind {
	case "bar":
		// It counts bytes, since how many events a file has is known only at its end.
		if s.bar == nil {
			s.bar = progressbar.NewOptions64(now.Size,
				progressbar.OptionSetWriter(s.w), progressbar.OptionShowBytes(true), progressbar.OptionFullWidth(),
				progressbar.OptionThrottle(200*time.Millisecond), progressbar.OptionClearOnFinish(),
				progressbar.OptionSetPredictTime(now.Size >= 0), progressbar.OptionEnableColorCodes(false))
		}
		s.bar.Describe(s.words())
		_ = s.bar.Set64(now.Read) // a bar that cannot be drawn stops nothing
	case "plain":
		console.Writeln(s.w, s.words()+s.left())
	case "json":
		s.json(false)
	}
}

// end leaves the line of the bar empty for what comes next. Done tells that the import has come to
// its end.
func (s *progress) end(done bool) {
	switch {
	case s.bar != nil:
		_ = s.bar.Clear()
	case s.kind == "json":
		s.json(done)
	}
}

// rate is that of this run: what an earlier run has sent says nothing about the time that is left.
func (s *progress) rate() float64 {
	if s.first == nil {
		return 0
	}
	return float64(s.now.Events-s.first.Events) / max(0.001, time.Since(s.started).Seconds())
}

// words says how far the import is, for a bar or a line.
func (s *progress) words() string {
	parts := []string{console.Count(int(s.now.Events), "event"), text.Grouped(int64(s.rate())) + "/s"}
	if s.kind == "plain" {
		parts = append(parts, fmt.Sprintf("%.1f MB", float64(s.now.Read)/1e6))
	}
	if s.now.Rejected > 0 {
		parts = append(parts, text.Grouped(s.now.Rejected)+" rejected")
	}
	return strings.Join(parts, ", ")
}

// left says how much has been read and how long the rest will take, where that can be told.
func (s *progress) left() string {
	read := s.now.Read - s.first.Read
	if s.now.Size <= 0 || read <= 0 {
		return ""
	}
	rest := time.Duration(float64(time.Since(s.started)) * float64(s.now.Size-s.now.Read) / float64(read))
	return fmt.Sprintf(", %d%%, %s left", 100*s.now.Read/s.now.Size, rest.Round(time.Second))
}

// json writes a line of JSON. Its counts are those of the summary, under the same names.
func (s *progress) json(done bool) {
	doc, _ := json.Marshal(struct {
		importer.Counts
		Read int64 `json:"readBytes"`
		Size int64 `json:"sizeBytes"`
		Done bool  `json:"done"`
	}{s.now.Counts, s.now.Read, s.now.Size, done}) // numbers always can be
	console.Writeln(s.w, string(doc))
}
