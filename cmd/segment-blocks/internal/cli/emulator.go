package cli

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/settings"
	"github.com/aacflow/segment-blocks/internal/text"
	"github.com/aacflow/segment-blocks/segment/emulator"
)

// emulatorFlags are the flags of emulator. They are no settings: an emulator is for trying things
// out, and one that a forgotten file had set up would mislead.
type emulatorFlags struct {
	addr, log    string
	mode         emulator.AnswerMode
	oversize     emulator.OversizePolicy
	token, quiet bool
	capacity     int
	hosts        []string
}

// newEmulator makes emulator, the local receiver that other commands and programs can send to.
func newEmulator(p *Program) *cobra.Command {
	cmd := command("emulator", "Run a local Segment for development")
	// The defaults do what Segment does, so that nothing passes here and fails there.
	f := emulatorFlags{mode: emulator.Segment, oversize: emulator.RefuseBatch}
	flags := cmd.Flags()
	flags.StringVar(&f.addr, "addr", "127.0.0.1:4010", "address to listen on; port 0 picks a free one")
	addChoice(cmd, &f.mode, "mode", "how to answer what Segment would drop: segment (200) or strict (4xx)",
		emulator.Segment, emulator.Strict)
	flags.StringVar(&f.log, "log", "",
		"`file` of events, one JSON line each: loaded at the start, then appended to")
	flags.IntVar(&f.capacity, "capacity", 10_000, "events to keep in memory, up to 64 MiB")
	addChoice(cmd, &f.oversize, "oversize",
		"a batch with a message over 32 KB: refuse the batch, or drop the message",
		emulator.RefuseBatch, emulator.DropItem)
	flags.StringSliceVar(&f.hosts, "allow-host", nil, "more host names for the query API")
	flags.BoolVar(&f.token, "token", false, "require a token for the query API on loopback addresses too")
	flags.BoolVar(&f.quiet, "quiet", false, "print only the addresses")
	return p.runs(cmd, func(_ []string, _ *settings.Settings) error {
		if f.capacity < 1 {
			return console.Usage("--capacity must be at least 1: %d", f.capacity)
		}
		return p.serveEmulator(cmd.Context(), f)
	})
}

// serveEmulator listens before anything else, because only then is it known whether other machines
// can reach the emulator, which makes a token necessary. An interrupt is how an emulator ends, and
// no failure.
func (p *Program) serveEmulator(ctx context.Context, f emulatorFlags) error {
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", f.addr)
	if err != nil {
		return cannotListen(f.addr, err)
	}
	// The API shows what was sent, so other machines need a token for it. Sending needs none:
	// Segment's libraries have no place for one.
	token := ""
	if f.token || !onLoopback(ln.Addr()) {
		token = rand.Text()
	}
	e, err := emulator.New(
		emulator.Mode(f.mode), emulator.Capacity(f.capacity), emulator.OversizeItem(f.oversize),
		emulator.AllowHosts(f.hosts...), emulator.LogTo(f.log), emulator.Token(token),
	)
	switch {
	case errors.Is(err, emulator.ErrLogInUse): // two would write over each other
		return errors.Join(console.Failed("%w; --log names another", err), ln.Close())
	case err != nil:
		return errors.Join(console.Usage("%w", err), ln.Close())
	}
	loaded := e.Stats() // before anybody can send
	if err := p.announce(ln.Addr(), f, token, loaded.Kept); err != nil {
		return errors.Join(err, ln.Close(), e.Close())
	}
	// The watcher outlives ctx, to print what came last: requests in progress may still end while
	// the emulator stops.
	watching, stop := context.WithCancel(context.WithoutCancel(ctx))
	var watch sync.WaitGroup
	if !f.quiet {
		// What was loaded from a log has been shown when it arrived.
		w := &watcher{program: p, emulator: e, style: p.Style(p.Stderr), event: loaded.LastSeq}
		watch.Go(func() { w.watch(watching) })
	}
	err = e.Serve(ctx, ln)
	stop()
	watch.Wait()
	if err != nil {
		return console.Failed("%w", err)
	}
	stats := e.Stats()
	p.Note("stopped: %s accepted, %s, %s discarded", console.Count(int(stats.Stored), "event"),
		console.Count(int(stats.Duplicates), "duplicate"), text.Grouped(int64(stats.Discarded)))
	return nil
}

// announce prints where the emulator is. The lines are data: a script waits for them, and with port
// 0 it learns the address from nowhere else.
func (p *Program) announce(addr net.Addr, f emulatorFlags, token string, loaded int) error {
	url := urlOf("http", addr)
	doc := struct {
		URL   string `json:"url"`
		API   string `json:"api"`
		Mode  string `json:"mode"`
		Log   string `json:"log,omitempty"`
		Token string `json:"token,omitempty"`
	}{url, url + "/emulator/v1/", string(f.mode), f.log, token}
	return p.show(doc, func(w io.Writer) {
		log := f.log
		if log != "" {
			log += ", " + console.Count(loaded, "event") + " in it"
		}
		console.Writeln(w, "a local Segment is listening; it forwards nothing")
		console.WriteFields(w, "send to", url, "look at", url+"/emulator/v1/events", "mode", doc.Mode,
			"token", token, "log", log)
		console.Writeln(p.Stderr, "Ctrl-C stops it")
	})
}

// watcher prints what an emulator receives. It looks a few times a second rather than at each
// request, so that printing holds nothing up. It remembers what it has printed by the numbers that
// the emulator gives to events, discards and requests.
type watcher struct {
	program  *Program
	emulator *emulator.Emulator
	style    console.Style

	event, discard, request uint64 // the last ones seen; each has numbers of its own
}

// watch prints until ctx ends, and then what came last. Nothing is printed while no request has
// come.
func (w *watcher) watch(ctx context.Context) {
	// The counter of requests is cheap to look at; the lists are not.
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	var seen uint64
	for {
		if now := w.emulator.Stats(); now.Requests != seen {
			seen = now.Requests
			w.print()
		}
		select {
		case <-ctx.Done():
			w.print()
			return
		case <-tick.C:
		}
	}
}

// watchedLine is one message, or one request of which nothing could be read.
type watchedLine struct {
	request uint64
	index   int
	at      time.Time
	verdict string
	text    string
}

// print prints what has come since the last call, in the order of requests and of the messages in
// each. Events and discards are kept apart by the emulator, and a reader wants to see a batch as it
// was.
func (w *watcher) print() {
	var lines []watchedLine
	for _, e := range w.emulator.Events(emulator.Filter{Since: w.event}) {
		w.event = max(w.event, e.Seq)
		lines = append(lines, watchedLine{e.Request, e.Index, e.ReceivedAt, w.style.Good("accepted "), accepted(&e)})
	}
	for _, d := range w.emulator.Discards(emulator.DiscardFilter{Since: w.discard}) {
		w.discard = max(w.discard, d.Seq)
		lines = append(lines, watchedLine{d.Request, d.Index, d.ReceivedAt, w.style.Warn("discarded"), discarded(&d)})
	}
	// A fault that lets the request through shows as its events, so only the others have a line.
	for _, r := range w.emulator.Requests() {
		if r.Seq > w.request && r.Faulted && (r.Status < 200 || r.Status > 299) {
			lines = append(lines, watchedLine{r.Seq, -1, r.At, w.style.Warn("fault    "), faulted(&r)})
		}
		w.request = max(w.request, r.Seq)
	}
	slices.SortStableFunc(lines, func(a, b watchedLine) int {
		return cmp.Or(cmp.Compare(a.request, b.request), cmp.Compare(a.index, b.index))
	})
	for _, l := range lines {
		clock := l.at.Local().Format("15:04:05.000") // of whoever is watching
		console.Writeln(w.program.Stderr, clock+" "+l.verdict+"  "+text.Escape(l.text))
	}
}

// accepted describes an event that was stored.
func accepted(e *emulator.Event) string {
	name := ""
	if e.Name != "" {
		name = fmt.Sprintf("%q", e.Name)
	}
	words := labelled("  ", strings.ToUpper(e.Type), name, "user", e.UserID, "anonymous", e.AnonymousID,
		"messageId", e.MessageID)
	for _, note := range e.Notes {
		words += "  (" + note + ")"
	}
	return words
}

// discarded describes a message that Segment would drop, with every reason. Segment itself answers
// 200 and says nothing, so this line is what the emulator is for.
func discarded(d *emulator.Discard) string {
	var why []string
	for _, problem := range d.Problems {
		why = append(why, strings.TrimSpace(problem.Code+"  "+problem.Pointer+" "+problem.Text))
	}
	return d.Path + "  " + strings.Join(why, "; ")
}

// faulted describes a request that failed because a fault was scripted for it.
func faulted(r *emulator.Request) string {
	if r.Status == 0 {
		return r.Path + "  connection cut, as scripted"
	}
	return fmt.Sprintf("%s  answered %d, as scripted", r.Path, r.Status)
}

// labelled says what a message is: its type and name, and then values behind their labels. It
// leaves out what is empty.
func labelled(between, kind, name string, labels ...string) string {
	words := []string{kind, name}
	for pair := range slices.Chunk(labels, 2) {
		if pair[1] != "" {
			words = append(words, pair[0]+" "+pair[1])
		}
	}
	return strings.Join(slices.DeleteFunc(words, func(word string) bool { return word == "" }), between)
}
