package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/importer"
	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/tracking"
)

// importSummary is what an import prints in the end.
type importSummary struct {
	// Complete tells that every event has been accepted or rejected.
	Complete bool `json:"complete"`
	importer.Counts
	Source      string `json:"source"`
	Emulator    bool   `json:"emulator,omitempty"`
	RejectsFile string `json:"rejectsFile,omitempty"`
	StateFile   string `json:"stateFile,omitempty"`
}

// conclude prints the summary, and turns what went wrong into what the command ends with.
func (r *importRun) conclude(c importer.Counts, err error) error {
	var input *importer.InputError
	if errors.As(err, &input) {
		return usage("%w", err)
	}
	sum := importSummary{Complete: err == nil, Counts: c, Source: r.target.source, Emulator: r.target.emulator != nil}
	if c.Rejected > 0 {
		sum.RejectsFile = r.options.RejectsPath
	}
	if err != nil {
		sum.StateFile = r.options.StatePath
	}
	if printed := r.printSummary(sum); printed != nil {
		return printed
	}
	if err != nil {
		return r.stopped(err)
	}
	if c.Rejected > 0 {
		r.program.note("mend the messages in %s and import that file in turn", r.options.RejectsPath)
		return done{exitPartial}
	}
	return nil
}

func (r *importRun) printSummary(sum importSummary) error {
	p := r.program
	if r.format != "text" {
		return p.write(r.format, sum)
	}
	title := p.style(p.stdout).good("imported")
	if !sum.Complete {
		title = p.style(p.stdout).bad("stopped before the end")
	}
	writef(p.stdout, "%s\n", title)
	rows := [][]string{
		{"events", grouped(sum.Events)},
		{"accepted", grouped(sum.Accepted)},
		{"rejected", grouped(sum.Rejected)},
	}
	if sum.RejectsFile != "" {
		rows[2][1] += ", in " + sum.RejectsFile
	}
	if sum.Repeated > 0 {
		rows = append(rows, []string{"repeated", grouped(sum.Repeated) + " or a few more were sent again on resuming, with the same messageId"})
	}
	rows = append(rows, []string{"requests", grouped(sum.Requests)}, []string{"attempts", grouped(sum.Attempts)},
		[]string{"bytes", grouped(sum.Bytes)}, []string{"seconds", fmt.Sprintf("%.1f", sum.Seconds)})
	writeTable(p.stdout, rows)
	if sum.Emulator {
		writeln(p.stdout, "that is an emulator inside this process: nothing has reached Segment")
	} else if sum.Accepted > 0 {
		writeln(p.stdout, "Segment confirms receipt, not delivery to destinations")
	}
	return nil
}

// stopped is the error of an import that did not come to its end, with the way to go on.
func (r *importRun) stopped(err error) error {
	advice := "; to go on, run the same command with --resume"
	if r.options.StatePath == "" {
		advice = ""
	} else if r.flags.restart {
		advice += " in place of --restart"
	}
	var delivery *importer.DeliveryError
	switch {
	case errors.As(err, &delivery):
		// It does not wrap the error of the invocation, which gives advice that does not fit an import.
		cause := runtime.AsError(err)
		return &failure{exitOfDelivery(cause), string(cause.Code), delivery.Error() + advice, nil}
	case errors.Is(err, context.DeadlineExceeded):
		return &failure{exitUnreachable, string(runtime.DeadlineExceeded), "the time of --timeout was up" + advice, err}
	case errors.Is(err, context.Canceled):
		return &failure{exitInterrupted, string(runtime.Canceled), "interrupted" + advice, err}
	}
	return failed("%w%s", err, advice)
}

// exitOfDelivery looks behind a partial failure: of an import, some of the events are accepted in any case.
func exitOfDelivery(e *runtime.Error) exitCode {
	if e.Code != runtime.PartialFailure {
		return exitOf(e)
	}
	var cause *tracking.Error
	if errors.As(e, &cause) {
		switch cause.Kind {
		case tracking.KindUnauthorized:
			return exitCredentials
		case tracking.KindRejected, tracking.KindTooLarge:
			return exitRejected
		}
	}
	return exitUnreachable
}

// showMapping says what becomes of the columns of a file, once.
func (r *importRun) showMapping(in *importer.Input, columns []importer.Column) {
	if r.shown[in] {
		return
	}
	r.shown[in] = true
	p := r.program
	p.note("the columns of %s become:", in.Path)
	var rows [][]string
	for _, c := range columns {
		row := []string{c.Name, c.Field}
		switch {
		case c.Field == "":
			row[1] = "not sent"
		case c.Kind != "text":
			row[1] += " (" + c.Kind + ")"
		}
		rows = append(rows, row)
	}
	writeTable(p.stderr, rows)
}

// check looks at every line as send would, and sends nothing.
func (r *importRun) check(ctx context.Context) error {
	p, o := r.program, &r.options
	if err := importer.Describe(*o); err != nil {
		return usage("%w", err)
	}
	o.Rate = 0
	o.Invoke = func(ctx context.Context, batch runtime.JSON) (*runtime.Receipt, error) {
		_, receipt, err := r.target.Preview(ctx, "segment_batch", batch)
		if err != nil {
			receipt = runtime.AsError(err).Receipt
		}
		return receipt, err
	}
	const told = 20
	var shown int
	o.Refused = func(file string, line int64, reasons []importer.Reason) {
		if shown++; shown > told {
			return
		}
		var texts []string
		for _, reason := range reasons {
			texts = append(texts, strings.TrimSpace(reason.Path+" "+reason.Message))
		}
		p.note("%s:%d: %s", file, line, strings.Join(texts, "; "))
	}
	var sample []rawjson.Object
	if o.Inputs[0].Path != importer.Stdin {
		var err error
		if sample, err = r.sample(ctx); err != nil {
			return err
		}
	}
	show := p.newProgress(r.flags.progress, o.Inputs)
	o.Progress = show.show
	im, err := importer.New(*o)
	if err != nil {
		return failed("%w", err)
	}
	counts, err := im.Run(ctx)
	show.end()
	if shown > told {
		p.note("and %s more; --rejects FILE writes them all", grouped(int64(shown-told)))
	}
	var input *importer.InputError
	switch {
	case errors.As(err, &input):
		return usage("%w", err)
	case errors.Is(err, context.Canceled):
		return interrupted("checking")
	case err != nil:
		return r.stopped(err)
	}
	if err := r.printCheck(sample, counts); err != nil {
		return err
	}
	switch {
	case counts.Rejected == 0:
		return nil
	case counts.Accepted == 0:
		return done{exitUsage}
	}
	return done{exitPartial}
}

// sample returns the first messages as they would be sent.
func (r *importRun) sample(ctx context.Context) ([]rawjson.Object, error) {
	batch, err := importer.Sample(r.options, 3, func(one runtime.JSON) error {
		return r.target.Validate(ctx, "segment_batch", one)
	})
	if err != nil {
		return nil, usage("%w", err)
	}
	if batch == nil {
		return nil, nil
	}
	requests, _, err := r.target.Preview(ctx, "segment_batch", batch)
	if err != nil {
		return nil, err
	}
	var out []rawjson.Object
	for _, request := range requests {
		list, _ := rawjson.At([]byte(request.Body), "/batch")
		for _, one := range rawjson.OpenArray(list) {
			out = append(out, rawjson.OpenObject(one))
		}
	}
	return out, nil
}

func (r *importRun) printCheck(sample []rawjson.Object, c importer.Counts) error {
	p := r.program
	if r.format != "text" {
		return p.write(r.format, struct {
			Sent     bool             `json:"sent"`
			Events   int64            `json:"events"`
			Valid    int64            `json:"valid"`
			Rejected int64            `json:"rejected"`
			Messages []rawjson.Object `json:"messages"`
		}{false, c.Events, c.Accepted, c.Rejected, append([]rawjson.Object{}, sample...)})
	}
	for _, one := range sample {
		writeln(p.stdout, clean(string(one.JSON())))
	}
	writef(p.stdout, "%s: %s would be sent, %s would be rejected; nothing was sent\n",
		count(int(c.Events), "event"), grouped(c.Accepted), grouped(c.Rejected))
	return nil
}
