package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/internal/text"
	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/runtime/retry"
	"github.com/aacflow/segment-blocks/schemas"
	"github.com/aacflow/segment-blocks/segment/importer"
)

// importRun is one run of the command. The importer calls its methods from several goroutines, one
// at a time except for send.
type importRun struct {
	program  *Program
	target   *target
	options  importer.Options
	dryRun   bool
	progress *progress

	// A dry run keeps the first messages and rejects, to show them.
	messages []rawjson.Object
	rejected []string
}

// importSummary is what an import prints in the end.
type importSummary struct {
	// Complete tells that every event has been accepted or rejected.
	Complete bool `json:"complete"`
	importer.Counts
	// Unsent is what was read and is neither accepted nor rejected, where the import was stopped.
	Unsent int64  `json:"unsent,omitempty"`
	Source string `json:"source"`
	// Endpoint is where the events went, "" for an emulator that is gone by now.
	Endpoint string `json:"endpoint,omitempty"`
	Emulator bool   `json:"emulator,omitempty"`
	// RejectsFile is there if it holds rejects, StateFile if there is something to resume.
	RejectsFile string `json:"rejectsFile,omitempty"`
	StateFile   string `json:"stateFile,omitempty"`
}

// conclude prints the summary, and turns what went wrong into what the command ends with. A summary
// is printed for an import that stopped too, unless it stopped before it read anything.
func (r *importRun) conclude(c importer.Counts, err error) error {
	sum := importSummary{
		Complete: err == nil, Counts: c, Unsent: max(0, c.Events-c.Accepted-c.Rejected),
		Source: r.target.source, Emulator: r.target.emulator != nil,
	}
	if !sum.Emulator {
		sum.Endpoint = r.options.Endpoint
	}
	if c.Rejected > 0 {
		sum.RejectsFile = r.options.RejectsPath
	}
	if err != nil {
		sum.StateFile = r.options.StatePath
	}
	// Where nothing was read, the error says all there is to say.
	if err == nil || c != (importer.Counts{}) {
		printed := r.program.show(sum, func(w io.Writer) { r.writeSummary(w, sum) })
		if printed != nil {
			return printed
		}
	}
	if err != nil {
		return r.stopped(c, err)
	}
	r.noteEmpty(c)
	if c.Rejected > 0 {
		r.program.Note("correct the messages in %s, then import that file", r.options.RejectsPath)
		return console.End(console.ExitPartial)
	}
	return nil
}

// noteEmpty says so where there was nothing to import, which is hardly what was meant.
func (r *importRun) noteEmpty(c importer.Counts) {
	if c.Events > 0 {
		return
	}
	where := "the files"
	if len(r.options.Files) == 1 {
		where = fileName(r.options.Files[0])
	}
	r.program.Note("%s has no events", where)
}

// writeSummary writes the summary for people.
func (r *importRun) writeSummary(w io.Writer, sum importSummary) {
	title := r.program.Style(w).Good("imported")
	if !sum.Complete {
		title = r.program.Style(w).Bad("stopped before the end")
	}
	console.Writeln(w, title)
	console.WriteFields(
		w, "source", strings.TrimSuffix(sum.Source+", "+sum.Endpoint, ", "), "events", text.Grouped(sum.Events),
		"accepted", text.Grouped(sum.Accepted),
		"rejected", strings.TrimSuffix(text.Grouped(sum.Rejected)+", in "+sum.RejectsFile, ", in "),
		"not sent", some(sum.Unsent, "%s, or not confirmed"),
		"repeated", some(sum.Repeated, "at least %s were sent again after resuming, with the same messageId"),
		"duplicates", some(sum.Duplicates, duplicates), "requests", text.Grouped(sum.Requests),
		"attempts", text.Grouped(sum.Attempts), "bytes", text.Grouped(sum.Bytes),
		"seconds", fmt.Sprintf("%.1f", sum.Seconds),
	)
	switch {
	case sum.Emulator:
		console.Writeln(w, "that is an emulator inside this process: nothing reached Segment")
	case sum.Accepted > 0 && r.target.sends.Endpoint != "":
		console.Writeln(w, "the receiver confirms receipt only")
	case sum.Accepted > 0:
		console.Writeln(w, receiptOnly)
	}
}

// duplicates says how many events have the messageId of an earlier one. It is "at least" because a
// run remembers only the latest ids.
const duplicates = "at least %s gave the messageId of an earlier event; the receiver keeps one of them"

// some puts a number into a sentence, and returns "" for 0.
func some(n int64, sentence string) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(sentence, text.Grouped(n))
}

// noteRejected tells of the rejects of a dry run, which writes no file of them unless it is told
// to.
func (r *importRun) noteRejected(c importer.Counts, err error) {
	for _, one := range r.rejected {
		r.program.Note("%s", one)
	}
	if more := c.Rejected - int64(len(r.rejected)); r.dryRun && more > 0 && err == nil {
		r.program.Note("and %s more; --rejects FILE writes them all", text.Grouped(more))
	}
}

// concludeCheck prints what a dry run found. It ends with the exit code of an import of the same
// files, or with 2 if nothing would be sent.
func (r *importRun) concludeCheck(c importer.Counts, err error) error {
	switch {
	case errors.Is(err, context.Canceled): // what it has not read may be wrong
		return console.Interrupted("checking")
	case err != nil:
		return r.stopped(c, err)
	}
	result := struct {
		Sent       bool             `json:"sent"`
		Events     int64            `json:"events"`
		Valid      int64            `json:"valid"`
		Rejected   int64            `json:"rejected"`
		Duplicates int64            `json:"duplicates,omitempty"`
		Messages   []rawjson.Object `json:"messages"`
	}{false, c.Events, c.Accepted, c.Rejected, c.Duplicates, r.messages}
	// The messages come first: a person compares them with the file, and then reads the counts.
	err = r.program.show(result, func(w io.Writer) {
		for _, one := range r.messages {
			console.Writeln(w, text.Escape(string(one.JSON())))
		}
		if c.Duplicates > 0 {
			console.Writeln(w, some(c.Duplicates, duplicates))
		}
		console.Writef(w, "%s: %s would be sent, %s would be rejected; nothing was sent\n",
			console.Count(int(c.Events), "event"), text.Grouped(c.Accepted), text.Grouped(c.Rejected))
	})
	r.noteEmpty(c)
	switch {
	case err != nil || c.Rejected == 0:
		return err
	case c.Accepted == 0:
		return console.End(console.ExitUsage)
	}
	return console.End(console.ExitPartial)
}

// stopped is the error of an import that did not come to its end, with the way to go on. The same
// command with --resume is offered only if there is a state file to go on from.
func (r *importRun) stopped(c importer.Counts, err error) error {
	resume, advice := "to continue, run the same command with --resume", ""
	if r.options.Restart {
		resume += " in place of --restart"
	}
	delivery, undelivered := errors.AsType[*importer.DeliveryError](err)
	panicked, crashed := errors.AsType[*importer.PanicError](err)
	// What has to be done before the import can go on depends on what stopped it.
	switch _, missing := os.Stat(r.options.StatePath); {
	case missing != nil || c == (importer.Counts{}): // it cannot be resumed, or has not begun
	case errors.Is(err, importer.ErrCut):
		advice = "; everything before is dealt with. Put the whole file in its place; " + resume
	case undelivered && delivery.Source:
		advice = "; fix the source, and then, " + resume
	default:
		advice = "; " + resume
	}
	switch {
	case undelivered:
		// It does not wrap the error of the invocation, which gives advice that does not fit an
		// import: to repeat it with the same invocation id.
		cause := runtime.ErrorOf(err)
		return console.Fail(exitOfDelivery(cause), string(cause.Code), delivery.Error()+advice, nil)
	case crashed:
		console.Writef(r.program.Stderr, "%v\n\n%s\n", panicked, panicked.Stack)
		return console.Crashed(panicked.Value, advice)
	case errors.Is(err, context.DeadlineExceeded):
		message := "the time of --timeout was up" + advice
		return console.Fail(console.ExitUnreachable, string(runtime.DeadlineExceeded), message, err)
	case errors.Is(err, context.Canceled):
		return console.Fail(console.ExitInterrupted, string(runtime.Canceled), "interrupted"+advice, err)
	}
	return console.Failed("%w%s", err, advice)
}

// exitOfDelivery looks behind a partial failure, at the answer that stopped the import: of an
// import, some of the events are accepted in any case.
func exitOfDelivery(e *runtime.Error) console.ExitCode {
	if answer, ok := errors.AsType[*retry.Error](e); ok && e.Code == runtime.PartialFailure {
		e = runtime.ErrorOf(answer)
	}
	return console.ExitOf(e)
}

// showMapping says what becomes of the columns of a file. It is shown before anything is sent: a
// column that is taken for the wrong field is the commonest mistake with CSV.
func (r *importRun) showMapping(file string, columns []importer.Column) {
	p := r.program
	p.Note("the columns of %s become:", fileName(file))
	console.WriteList(p.Stderr, columns, func(c importer.Column) []string {
		if c.Field != "" && c.Kind != "text" {
			c.Field += " (" + c.Kind + ")"
		}
		return []string{cmp.Or(c.Name, "(without a name)"), cmp.Or(c.Field, "not sent")}
	})
}

// fileName returns the name of a file for people.
func fileName(file string) string {
	if file == importer.Stdin {
		return "stdin"
	}
	return file
}

// stdin reports whether the events come from stdin, which has no name and cannot be read twice.
func (r *importRun) stdin() bool { return r.options.Files[0] == importer.Stdin }

// keepReject keeps the first rejects of a dry run.
func (r *importRun) keepReject(file string, line int64, reasons []schemas.Violation) {
	const most = 20
	if len(r.rejected) == most {
		return
	}
	texts := make([]string, len(reasons))
	for i, v := range reasons {
		texts[i] = strings.TrimSpace(v.Path + " " + v.Message)
	}
	r.rejected = append(r.rejected, fmt.Sprintf("%s:%d: %s", fileName(file), line, strings.Join(texts, "; ")))
}

// warn shows the first warning of each kind.
func (r *importRun) warn(file string, line int64, w schemas.Violation) {
	if w.Code == "emulated" && r.target.emulator != nil {
		return // advance says so, with what to do
	}
	where := ""
	if line > 0 {
		where = fmt.Sprintf("%s:%d: ", fileName(file), line)
	}
	r.program.Warn("%s%s %s (%s; only the first is shown)", where, w.Path, w.Message, w.Code)
}
