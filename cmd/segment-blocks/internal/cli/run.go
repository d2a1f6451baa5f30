package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/settings"
	"github.com/aacflow/segment-blocks/internal/text"
	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/runtime/retry"
	"github.com/aacflow/segment-blocks/schemas"
	"github.com/aacflow/segment-blocks/segment/delivery"
)

// newRun makes run. It checks the input and the block before it opens a target, because opening one
// may start an emulator or lock a store. With a durable source the invocation succeeds once its
// messages are stored; run then stays to send them, and says what became of them.
func newRun(p *Program) *cobra.Command {
	cmd := p.blockCommand("run", "Invoke a block and print its output")
	id := addInvocationID(cmd.Command)
	drain := cmd.Flags().Duration("drain", 10*time.Second,
		"how long to send stored messages of a durable source before the command ends; 0 for not at all")
	receipt := cmd.Flags().Bool(
		"receipt", false, "print the receipt with the output: what was sent, where, in how many attempts",
	)
	// They are recorded only on request: the runtime would keep up to 256 KiB of bodies for nothing.
	recorded := cmd.Flags().Bool("attempts", false,
		"print each HTTP attempt: request, answer, and how long it waited")
	addSource(p, cmd.Command)
	addTimeout(cmd.Command)
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
		format := p.Format(s.Output, true)
		// A document is the output of the invocation, and what reads it need not wait for the rest. A
		// person wants to know what became of the messages.
		if format != "text" {
			err = p.printDocument(format, res, *receipt, attempts)
		}
		var became *outcome
		if err == nil && t.deliveries != nil {
			became, err = p.drain(cmd.Context(), t, res.Receipt, began, *drain)
		}
		if err == nil && format == "text" {
			p.printText(t, res, became, attempts)
		}
		return err
	})
}

// showRetries returns a context that shows on a terminal what a command waits for: with the default
// budget a retried call takes minutes, and would look like one that hangs. Elsewhere nobody
// watches.
func (p *Program) showRetries(ctx context.Context) context.Context {
	if !console.IsTerminal(p.Stderr) {
		return ctx
	}
	return retry.OnRetry(ctx, func(r retry.Wait) {
		cause := r.Cause
		// A cause begins with a status, or says in words why there is none.
		if strings.IndexAny(cause, "0123456789") == 0 {
			cause = "the receiver answered " + cause
		}
		p.Note("%s; attempt %d of %d begins in %.1f s", cause, r.Attempt, r.Of, r.In.Seconds())
	})
}

// find returns a block. Commands ask for it before they open a target: the runtime would refuse an
// unknown block too, but later.
func (p *Program) find(id string) (registry.Block, error) {
	b, err := p.registry().Find(id)
	if err == nil {
		return b, nil
	}
	// Without a name that is near, a list helps more.
	message := err.Error()
	if _, major := schemas.CutMajor(id); major == 0 && p.registry().Suggest(id) == "" {
		message += "; segment-blocks blocks list shows them all"
	}
	return b, &runtime.Error{Code: runtime.UnknownBlock, Block: id, Message: message}
}

// printDocument prints the output of a block as the block returned it, so that the next program
// need not know of receipts. The receipt and the attempts stand beside it if they are asked for.
func (p *Program) printDocument(format string, res *runtime.Result, receipt bool, attempts []runtime.Attempt) error {
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
	var rows [][]string
	// A text stands without its quotes, unless it is empty and would look like a gap.
	for _, m := range rawjson.OpenObject(res.Output) {
		value := string(m.Value)
		if text, ok := rawjson.Text(m.Value); ok && text != "" {
			value = text
		}
		rows = append(rows, []string{m.Name, value})
	}
	console.WriteTable(p.Stdout, rows)
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
		meaning = "that is an emulator inside this process: nothing has reached Segment"
	}
	if became == nil {
		return []string{fmt.Sprintf("accepted by %s, %s, %s, %s bytes, %s", r.Endpoint,
			console.Count(r.Requests, "request"), console.Count(r.Attempts, "attempt"), text.Grouped(r.Bytes), list), meaning}
	}
	stored := "stored on disk, left for the next segment-blocks that uses the source"
	if became.accepted == 0 {
		return []string{stored + ", " + list}
	}
	delivered := fmt.Sprintf("delivered to %s, which accepted %s", r.Endpoint, console.Count(became.accepted, "message"))
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
	t.deliveries = nil
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
	open := map[string]bool{}
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
	for l, err := range store.Waiting(source) {
		if err != nil {
			return nil, err
		}
		if open[l.MessageID] {
			delete(open, l.MessageID)
			f.waiting++
		}
	}
	f.accepted = len(open)
	return f, nil
}

// refusal is the error for messages that became dead letters, nil where none did. It takes the
// place of the error that a direct source would have returned, with the same exit codes.
func (f *outcome) refusal() error {
	if len(f.dead) == 0 {
		return nil
	}
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
