package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/internal/text"
	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/schemas"
	"github.com/aacflow/segment-blocks/segment/importer"
)

// check looks at every line as send would, and sends nothing.
func (r *importRun) check(ctx context.Context) error {
	const most = 20 // rejects to tell of
	p, o := r.program, r.options
	o.Rate, o.Concurrency = 0, 1 // so that the first messages are checked first
	messages := []rawjson.Object{}
	o.Invoke = r.preview(&messages)
	var rejected []string
	o.Rejected = func(file string, line int64, reasons []schemas.Violation) {
		if len(rejected) == most {
			return
		}
		var texts []string
		for _, v := range reasons {
			texts = append(texts, strings.TrimSpace(v.Path+" "+v.Message))
		}
		rejected = append(rejected, fmt.Sprintf("%s:%d: %s", fileName(file), line, strings.Join(texts, "; ")))
	}
	show := p.newProgress(r.progress)
	o.Progress = show.show
	im, err := importer.New(o)
	if err != nil {
		return console.Usage("%w", err)
	}
	counts, err := im.Run(ctx)
	show.end(err == nil)
	for _, one := range rejected {
		p.Note("%s", one)
	}
	if more := counts.Rejected - int64(len(rejected)); more > 0 && err == nil {
		p.Note("and %s more; --rejects FILE writes them all", text.Grouped(more))
	}
	var input *importer.InputError
	switch {
	case errors.As(err, &input):
		return console.Usage("%w", err)
	case errors.Is(err, context.Canceled):
		return console.Interrupted("checking")
	case err != nil:
		return r.stopped(counts, err)
	}
	if err := r.printCheck(messages, counts); err != nil {
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

// preview previews batches in place of sending them, and keeps the first messages to show them.
func (r *importRun) preview(messages *[]rawjson.Object) func(context.Context, runtime.JSON) (*runtime.Receipt, error) {
	const sample = 3 // messages to show
	return func(ctx context.Context, batch runtime.JSON) (*runtime.Receipt, error) {
		requests, receipt, err := r.target.Preview(ctx, "segment_batch", batch)
		if err != nil {
			return runtime.ErrorOf(err).Receipt, err
		}
		for _, request := range requests {
			list, _ := rawjson.At([]byte(request.Body), "/batch")
			for one := range rawjson.Elements(list) {
				if len(*messages) == sample {
					return receipt, nil
				}
				*messages = append(*messages, rawjson.OpenObject(one))
			}
		}
		return receipt, nil
	}
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
		}{false, c.Events, c.Accepted, c.Rejected, c.Duplicates, sample})
	}
	for _, one := range sample {
		console.Writeln(p.Stdout, text.Escape(string(one.JSON())))
	}
	if c.Duplicates > 0 {
		console.Writef(p.Stdout, "%s\n", duplicates(c))
	}
	console.Writef(p.Stdout, "%s: %s would be sent, %s would be rejected; nothing was sent\n",
		console.Count(int(c.Events), "event"), text.Grouped(c.Accepted), text.Grouped(c.Rejected))
	return nil
}
