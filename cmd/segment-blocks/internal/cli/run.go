package cli

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/settings"
	"github.com/aacflow/segment-blocks/internal/text"
	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/schemas"
	"github.com/aacflow/segment-blocks/segment/delivery"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

// newRun makes run. It checks the input and the block before it opens a target, because opening one
// may start an emulator or lock a store. With a durable source the invocation succeeds once its
// messages are stored; run then stays to send them, and says what became of them.
func newRun(p *Program) *cobra.Command {
	cmd := p.blockCommand("run", "Invoke a block and print its output")
	id := addInvocationID(cmd.Command)
	drain := cmd.Flags().Duration("drain", 10*time.Second,
		"how long to send stored messages of a durable source before exiting; 0 to send none")
	receipt := cmd.Flags().Bool(
		"receipt", false, "print the receipt with the output: what was sent, where, in how many attempts",
	)
	// They are recorded only on request: the runtime would keep up to 256 KiB of bodies for
	// nothing.
	recorded := cmd.Flags().Bool("attempts", false,
		"print each HTTP attempt: request, answer, and how long it waited")
	addSource(p, cmd.Command)
	addSettings(cmd.Command, "timeout")
	return p.runs(cmd.Command, func(args []string, s *settings.Settings) error {
		in, err := cmd.read(p, args[0])
		if err != nil {
			return err
		}
		t, err := p.open(s, opening{key: in.writeKey()})
		if err != nil {
			return err
		}
		defer t.close()
		// Before it sends: an event in the wrong region is lost.
		p.mentionRegion(t.source, t.sends)
		ctx, cancel := limited(cmd.Context(), s)
		defer cancel()
		ctx = p.showRetries(ctx)
		began := time.Now() // dead letters since then may be of this run
		options := []runtime.InvokeOption{runtime.InvocationID(*id)}
		var attempts []runtime.Attempt // stays nil unless they are asked for
		if *recorded {
			options = append(options, runtime.RecordAttempts(&attempts))
		}
		res, err := t.Invoke(ctx, args[0], in.json, options...)
		if err != nil {
			p.disclose(t, runtime.ErrorOf(err).Receipt)
			return wrapInvocation(err, in, attempts)
		}
		p.disclose(t, res.Receipt)
		format := p.Format(true)
		// A document is the output of the invocation, and what reads it need not wait for the rest.
		// A person wants to know what became of the messages.
		if format != "text" {
			err = p.printOutput(format, res, *receipt, attempts)
		}
		var became *outcome
		if err == nil && len(t.deliveries.stores) > 0 {
			became, err = p.drain(cmd.Context(), t, res.Receipt, began, *drain)
		}
		if err == nil && format == "text" {
			p.printText(t, res, became, attempts)
		}
		return err
	})
}

// printOutput prints the output of a block as the block returned it, so that the next program
// need not know of receipts. The receipt and the attempts stand beside it if they are asked for.
func (p *Program) printOutput(format string, res *runtime.Result, receipt bool, attempts []runtime.Attempt) error {
	p.printWarnings(res.Receipt)
	if !receipt && attempts == nil {
		return p.Print(format, res.Output)
	}
	doc := struct {
		Output   any               `json:"output"`
		Receipt  *runtime.Receipt  `json:"receipt,omitempty"`
		Attempts []runtime.Attempt `json:"attempts,omitzero"`
	}{res.Output, nil, attempts}
	if receipt {
		doc.Receipt = res.Receipt
	}
	return p.Print(format, doc)
}

// printText prints a result for people: the output, and what is known of its delivery. Warnings
// come last, where they are seen.
func (p *Program) printText(t *target, res *runtime.Result, became *outcome, attempts []runtime.Attempt) {
	console.Writef(p.Stdout, "%s %s\n", res.Receipt.Block, p.Style(p.Stdout).Good("succeeded"))
	// A text stands without its quotes, unless it is empty and would look like a gap.
	console.WriteList(p.Stdout, rawjson.OpenObject(res.Output), func(m rawjson.Member) []string {
		text, _ := rawjson.Text(m.Value)
		return []string{m.Name, cmp.Or(text, string(m.Value))}
	})
	for _, line := range receiptLines(t, res.Receipt, became) {
		p.Prose(p.Stdout, line)
	}
	console.WriteAttempts(p.Stdout, attempts)
	p.printWarnings(res.Receipt)
}

// receiptLines says what happened, and no more than is known: that Segment has accepted a message
// does not mean that it has reached a destination. For a durable source, became says what has
// happened to its messages since they were stored.
func receiptLines(t *target, r *runtime.Receipt, became *outcome) []string {
	// The first ids are enough to find a batch in Segment's debugger; --output json has them all.
	ids := r.MessageIDs
	label, more := "messageId", ""
	const most = 3
	if len(ids) > 1 {
		label = console.Count(len(ids), "message") + " with messageId"
	}
	if len(ids) > most {
		ids, more = ids[:most], fmt.Sprintf(" and %s more", text.Grouped(int64(len(ids)-most)))
	}
	list := label + " " + strings.Join(ids, ", ") + more
	meaning := receiptOnly
	if t.emulator != nil {
		meaning = "that is an emulator inside this process: nothing reached Segment"
	}
	if became == nil {
		requests, attempts := console.Count(r.Requests, "request"), console.Count(r.Attempts, "attempt")
		return []string{fmt.Sprintf("accepted by %s, %s, %s, %s bytes, %s", r.Endpoint, requests, attempts,
			text.Grouped(r.Bytes), list), meaning}
	}
	stored := "stored on disk for the next segment-blocks that uses the source"
	if became.accepted == 0 {
		return []string{stored + ", " + list}
	}
	// Some of the messages may have been sent, and others not yet.
	delivered := "delivered to " + r.Endpoint + ", which accepted " + console.Count(became.accepted, "message")
	if became.waiting > 0 {
		delivered += fmt.Sprintf("; %s: %s", stored, console.Count(became.waiting, "message"))
	}
	return []string{delivered + ", " + list, receiptOnly}
}

// printWarnings prints the warnings of an invocation, to stderr: they are not part of its output.
func (p *Program) printWarnings(r *runtime.Receipt) {
	if r == nil {
		return
	}
	for _, w := range r.Warnings {
		if w.Code == "emulated" {
			continue // disclose says it, with what to do
		}
		p.Warn("%s", strings.TrimSpace(w.Path+" "+w.Message))
	}
}

// outcome is what became of the messages that a run has stored. Each is accepted, waits or has been
// refused.
type outcome struct {
	accepted, waiting int
	dead              []delivery.StoredMessage
	others            int // messages stored before, that this run has made dead letters of
}

// drain gives a durable source time to send what is stored, and says what is left. The interrupt
// that ends ctx ends it; what was stored stays stored. The error says that messages of this run,
// which began at the time, were refused. The store is asked what became of them when it sends no
// more and before it is closed, because then another process may have it.
func (p *Program) drain(
	ctx context.Context, t *target, r *runtime.Receipt, began time.Time, most time.Duration,
) (*outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	d := t.deliveries
	lastError := d.lastError(ctx)
	// The store is read between its last delivery and its close. Earlier the counts would still
	// change, and later the file may be another process's.
	var f *outcome
	var reading error
	left, err := d.close(ctx, func() {
		f, reading = outcomeOf(d.stores[d.paths[t.source]].Store, t.source, r.MessageIDs, began)
	})
	if lastError != "" {
		p.Warn("%s", lastError)
	}
	if f != nil && f.others > 0 {
		p.Warn("%s in this run; segment-blocks queue list says why", messages(f.others,
			"that was stored before became a dead letter", "that were stored before became dead letters"))
	}
	p.sayLeft(left)
	switch {
	case err != nil:
		return nil, console.Failed("%w", err)
	case reading != nil:
		return nil, console.Failed("%w", reading)
	}
	return f, f.refusal()
}

// outcomeOf looks for messages in a store that sends nothing any more. What is neither waiting nor
// dead has been accepted, since an accepted message is deleted. A repeat of an invocation has the
// ids of the first one, so only dead letters since began count.
func outcomeOf(store *delivery.Store, source string, ids []string, began time.Time) (*outcome, error) {
	f := &outcome{}
	open := map[string]bool{} // what neither list has named yet
	for _, id := range ids {
		open[id] = true
	}
	for l, err := range store.Dead(source) {
		switch {
		case err != nil:
			return nil, err
		case l.DiedAt.Before(began.Truncate(time.Millisecond)): // of an earlier run, maybe of the same invocation
		case open[l.MessageID]:
			delete(open, l.MessageID)
			f.dead = append(f.dead, l)
		default:
			f.others++
		}
	}
	// A message is in one of the two lists at most: becoming a dead letter takes it off the other.
	for l, err := range store.Waiting(source) {
		if err != nil {
			return nil, err
		}
		if open[l.MessageID] {
			delete(open, l.MessageID)
			f.waiting++
		}
	}
	f.accepted = len(open) // neither dead nor waiting
	return f, nil
}

// refusal is the error for messages that became dead letters, nil where none did. It takes the
// place of the error that a direct source would have returned, with the same exit codes.
func (f *outcome) refusal() error {
	if len(f.dead) == 0 {
		return nil
	}
	// Where others were accepted the input as a whole was neither refused nor taken.
	const most = 3 // a batch may have thousands; queue list has them all
	exit, code := console.ExitRejected, runtime.Rejected
	if f.accepted > 0 {
		exit, code = console.ExitPartial, runtime.PartialFailure
	}
	total := len(f.dead) + f.accepted + f.waiting
	text := fmt.Sprintf("the receiver refused %d of %s, kept as a dead letter (segment-blocks queue list)",
		len(f.dead), console.Count(total, "message"))
	for i, l := range f.dead {
		if i == most {
			text += fmt.Sprintf("; and %d more", len(f.dead)-most)
			break
		}
		text += fmt.Sprintf("; %s: %s", l.MessageID, l.Reason)
	}
	return console.Fail(exit, string(code), text, nil)
}

// newPreview makes preview. It builds the requests exactly as run does, by the same code, and shows
// them in place of sending them.
func newPreview(p *Program) *cobra.Command {
	cmd := p.blockCommand("preview", "Show the exact requests that a block would send")
	id := addInvocationID(cmd.Command)
	addSource(p, cmd.Command)
	return p.runs(cmd.Command, func(args []string, s *settings.Settings) error {
		t, requests, receipt, err := p.preview(cmd, args[0], s, false, runtime.InvocationID(*id))
		if err != nil {
			return err
		}
		// What is shown depends on the source, so it is said which one that is.
		if t.source == "placeholder" {
			p.Note("no source is configured: showing requests to Segment in the US, with a placeholder write key")
		} else {
			p.mentionRegion(t.source, t.sends)
		}
		if format := p.Format(true); format != "text" {
			p.printWarnings(receipt)
			return p.Print(format, struct {
				Sent     bool              `json:"sent"`
				Requests []runtime.Request `json:"requests"`
				Receipt  *runtime.Receipt  `json:"receipt"`
			}{false, requests, receipt})
		}
		for _, r := range requests {
			writeRequest(p.Stdout, p.Style(p.Stdout), r)
		}
		console.Writef(p.Stdout, "%s, nothing was sent\n", console.Count(len(requests), "request"))
		p.printWarnings(receipt)
		return nil
	})
}

// preview makes the requests of a block, sends none, and says for which target they are.
func (p *Program) preview(
	cmd *blockInput, block string, s *settings.Settings, anySource bool, options ...runtime.InvokeOption,
) (*target, []runtime.Request, *runtime.Receipt, error) {
	// The input comes first, as in run: whoever forgets it need not have a source.
	in, err := cmd.read(p, block)
	if err != nil {
		return nil, nil, nil, err
	}
	t, err := p.open(s, opening{looks: true, any: anySource})
	if err != nil {
		return nil, nil, nil, err
	}
	defer t.close() // what it tells afterwards is a name and an endpoint
	requests, receipt, err := t.Preview(cmd.Context(), block, in.json, options...)
	return t, requests, receipt, wrapInvocation(err, in, nil)
}

// writeRequest writes a request for people: the headers as a table, the body indented, and its size
// next to the limit that applies to it. The size is that of the body as it is sent, not as it is
// shown.
func writeRequest(w io.Writer, s console.Style, r runtime.Request) {
	console.Writeln(w, s.Strong(text.Escape(r.Method+" "+r.URL)))
	// Sorted, so that two previews can be compared.
	console.WriteList(w, slices.Sorted(maps.Keys(r.Header)), func(name string) []string {
		return []string{name + ":", strings.Join(r.Header[name], ", ")}
	})
	// A request of one message has the limit of a message. Segment refuses or drops what is above a
	// limit, so the size is shown before that matters.
	limit := tracking.MaxMessageBytes
	if strings.HasSuffix(r.URL, tracking.BatchPath) {
		limit = tracking.MaxBodyBytes
	}
	console.Writef(w, "  body of %s bytes, %s are allowed:\n", text.Grouped(int64(r.Bytes)), text.Grouped(int64(limit)))
	// Indenting keeps numbers and the order of members as they are sent.
	var body bytes.Buffer
	if err := json.Indent(&body, []byte(r.Body), "  ", "  "); err != nil {
		body.Reset()
		body.WriteString(r.Body)
	}
	for line := range strings.SplitSeq(body.String(), "\n") {
		console.Writeln(w, "  "+strings.TrimPrefix(text.Escape(line), "  "))
	}
	console.Writeln(w)
}

// newValidate makes validate. It takes the first of several sources if none is chosen, because an
// input is valid for all of them or for none. It is a preview whose requests are not shown: only so
// are limits checked that depend on what is sent.
func newValidate(p *Program) *cobra.Command {
	cmd := p.blockCommand("validate", "Check an input without sending it")
	addSource(p, cmd.Command)
	return p.runs(cmd.Command, func(args []string, s *settings.Settings) error {
		_, _, receipt, err := p.preview(cmd, args[0], s, true)
		p.printWarnings(receipt)
		// A refusal is the answer to what was asked, and so goes to stdout. Any other error means
		// that there is no answer.
		refusal, refused := errors.AsType[*console.InputError](err)
		if err != nil && (!refused || len(refusal.Cause.Violations) == 0) {
			return err
		}
		// A script reads valid; the code is the one that run would fail with.
		verdict := struct {
			Block      string              `json:"block"`
			Valid      bool                `json:"valid"`
			Code       runtime.Code        `json:"code,omitempty"`
			InputFile  string              `json:"inputFile,omitempty"`
			Violations []schemas.Violation `json:"violations"`
		}{Block: args[0], Valid: !refused, Violations: []schemas.Violation{}}
		if refused {
			verdict.Code, verdict.Violations = refusal.Cause.Code, refusal.Cause.Violations
			verdict.InputFile = refusal.File
		}
		return p.conclude(console.ExitCodeOf(err), verdict, func(w io.Writer) {
			if refused {
				p.WriteError(w, refusal)
			} else {
				console.Writef(w, "%s accepts this input\n", args[0])
			}
		})
	})
}
