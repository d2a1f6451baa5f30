package cli

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/internal/text"
	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/segment/importer"
)

// toldRefused is how many rejects a dry run tells of.
const toldRefused = 20

// firstRefused keeps the first rejects of a dry run, which are found in another order than that of the lines.
type firstRefused struct {
	first []refusedLine
	all   int64
	files []string // that are read, in their order
}

type refusedLine struct {
	file int
	line int64
	text string
}

// add takes one more.
func (f *firstRefused) add(file string, line int64, reasons []importer.Reason) {
	f.all++
	at := max(0, slices.Index(f.files, file))
	var texts []string
	for _, reason := range reasons {
		texts = append(texts, strings.TrimSpace(reason.Path+" "+reason.Message))
	}
	one := refusedLine{at, line, strings.Join(texts, "; ")}
	i, _ := slices.BinarySearchFunc(f.first, one, func(a, b refusedLine) int {
		return cmp.Or(cmp.Compare(a.file, b.file), cmp.Compare(a.line, b.line))
	})
	f.first = slices.Insert(f.first, i, one)
	f.first = f.first[:min(len(f.first), toldRefused)]
}

func (f *firstRefused) tell(p *Program) {
	for _, one := range f.first {
		p.Note("%s:%d: %s", f.files[one.file], one.line, one.text)
	}
	if more := f.all - int64(len(f.first)); more > 0 {
		p.Note("and %s more; --rejects FILE writes them all", text.Grouped(more))
	}
}

// check looks at every line as send would, and sends nothing.
func (r *importRun) check(ctx context.Context) error {
	p, o := r.program, &r.options
	if err := importer.Describe(*o); err != nil {
		return console.Usage("%w", err)
	}
	release, err := r.lock() // for the rejects, if they are written
	if err != nil {
		return err
	}
	defer release()
	if err := r.keepRejects(); err != nil {
		return err
	}
	o.Rate = 0
	o.Invoke = func(ctx context.Context, batch runtime.JSON) (*runtime.Receipt, error) {
		_, receipt, err := r.target.Preview(ctx, "segment_batch", batch)
		if err != nil {
			receipt = runtime.ErrorOf(err).Receipt
		}
		return receipt, err
	}
	var refused firstRefused
	for _, in := range o.Inputs {
		refused.files = append(refused.files, in.Path)
	}
	o.Refused = refused.add
	var sample []rawjson.Object
	if o.Inputs[0].Path != importer.Stdin {
		if sample, err = r.sample(ctx); err != nil {
			return err
		}
	}
	show := p.newProgress(r.flags.progress, o.Inputs)
	o.Progress = show.show
	im, err := importer.New(*o)
	if err != nil {
		return console.Failed("%w", err)
	}
	counts, err := im.Run(ctx)
	show.end(err == nil)
	refused.tell(p)
	var input *importer.InputError
	switch {
	case errors.As(err, &input):
		return console.Usage("%w", err)
	case errors.Is(err, context.Canceled):
		return console.Interrupted("checking")
	case err != nil:
		return r.stopped(err)
	}
	if err := r.printCheck(sample, counts); err != nil {
		return err
	}
	r.noteEmpty(counts)
	switch {
	case counts.Rejected == 0:
		return nil
	case counts.Accepted == 0:
		return console.End(console.ExitUsage)
	}
	return console.End(console.ExitPartial)
}

// sample returns the first messages as they would be sent.
func (r *importRun) sample(ctx context.Context) ([]rawjson.Object, error) {
	batch, err := importer.Sample(r.options, 3, func(one runtime.JSON) error {
		return r.target.Validate(ctx, "segment_batch", one)
	})
	if err != nil {
		return nil, console.Usage("%w", err)
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
		return p.Print(r.format, struct {
			Sent       bool             `json:"sent"`
			Events     int64            `json:"events"`
			Valid      int64            `json:"valid"`
			Rejected   int64            `json:"rejected"`
			Duplicates int64            `json:"duplicates,omitempty"`
			Messages   []rawjson.Object `json:"messages"`
		}{false, c.Events, c.Accepted, c.Rejected, c.Duplicates, append([]rawjson.Object{}, sample...)})
	}
	for _, one := range sample {
		console.Writeln(p.Stdout, text.Escape(string(one.JSON())))
	}
	if c.Duplicates > 0 {
		console.Writef(p.Stdout, "at least %s gave the messageId of an earlier event; the receiver keeps one of them\n", text.Grouped(c.Duplicates))
	}
	console.Writef(p.Stdout, "%s: %s would be sent, %s would be rejected; nothing was sent\n",
		console.Count(int(c.Events), "event"), text.Grouped(c.Accepted), text.Grouped(c.Rejected))
	return nil
}
