package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"time"
	_ "time/tzdata" // zones by name, also where the system has none

	"github.com/spf13/cobra"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/settings"
	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/segment/emulator"
	"github.com/aacflow/segment-blocks/segment/importer"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

// importFlags are the flags of the command: those that are options of an import, and the others.
// Package importer checks what the options mean together with the files.
type importFlags struct {
	importer.Options
	delimiter, progress string
	dryRun              bool
}

// newImport makes import. An import and a dry run of it are one run with another function to call
// for each batch, so that a dry run finds what the import would.
func newImport(p *Program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "import [FILE…]",
		Short: "Send files of events of any size, and resume after a stop",
		ValidArgsFunction: cobra.FixedCompletions(
			[]string{"ndjson", "jsonl", "json", "csv", "gz"}, cobra.ShellCompDirectiveFilterFileExt),
	}
	f := addImportFlags(cmd)
	addSource(p, cmd)
	addSettings(cmd, "timeout")
	return p.runs(cmd, func(args []string, s *settings.Settings) error {
		if err := f.check(); err != nil {
			return err
		}
		t, err := p.open(s, opening{
			looks: f.dryRun, direct: true, // the state file says what is still to be sent
			inFlight: 1, // the import's own concurrency takes its place
			// Nobody can ask this emulator what it received, so it need not remember that.
			emulator: []emulator.Option{emulator.Capacity(1), emulator.DedupWindow(0)},
		})
		if err != nil {
			return err
		}
		defer t.close()
		r := &importRun{
			program: p, target: t, options: f.Options, dryRun: f.dryRun, progress: p.newProgress(f.progress),
			messages: []rawjson.Object{},
		}
		if err := r.complete(args); err != nil {
			return err
		}
		ctx, cancel := limited(cmd.Context(), s)
		defer cancel()
		return r.run(ctx)
	})
}

// addImportFlags gives the command the flags that only it has. Package importer names them in its
// errors.
func addImportFlags(cmd *cobra.Command) *importFlags {
	f := importFlags{progress: "auto"}
	fl := cmd.Flags()
	addChoice(cmd, &f.Type, "type",
		"type of messages without one: track, identify, page, screen, group or alias",
		tracking.Track, tracking.Identify, tracking.Page, tracking.Screen, tracking.Group, tracking.Alias)
	addChoice(cmd, &f.Format, "format", "json or csv, instead of guessing by file name",
		importer.JSON, importer.CSV)
	// Help shows a default only where the variable has it.
	f.Encoding = importer.UTF8
	addChoice(cmd, &f.Encoding, "encoding", "text encoding: utf-8, utf-16, latin1 or windows-1252",
		importer.UTF8, importer.UTF16, importer.Latin1, importer.Windows1252)
	// This is no choice of words: a time that is written in a format of one's own will do too.
	formats := []string{"iso8601", "unix", "unix-ms", "rfc3339", "rfc1123"}
	fl.StringVar((*string)(&f.TimeFormat), "time-format", "iso8601", "format of times: "+
		strings.Join(formats, ", ")+", or 2006-01-02 15:04:05 in that format, such as '02/01/2006 15:04'")
	offer(cmd, "time-format", formats...)
	fl.StringVar(&f.TimeZone, "time-zone", "", "zone of times without one, such as Europe/Berlin (default: UTC)")
	fl.StringVar(&f.delimiter, "delimiter", ",", "separator of CSV fields, such as ';' or tab")
	fl.StringArrayVar(&f.Map, "map", nil,
		"map a CSV column: `COLUMN=FIELD`, COLUMN=FIELD:KIND, or COLUMN= to omit it")
	fl.BoolVar(&f.dryRun, "dry-run", false,
		"check every line, print the first messages, and send nothing")
	fl.BoolVar(&f.Resume, "resume", false, "continue where an earlier run stopped")
	fl.BoolVar(&f.Restart, "restart", false,
		"start over, and overwrite the rejects of an earlier run")
	fl.StringVar(&f.StatePath, "state", "",
		"`file` for progress (default: FILE.import.json beside the first file)")
	fl.StringVar(&f.RejectsPath, "rejects", "",
		"`file` for events that cannot be sent (default: FILE.rejects.ndjson beside the first file)")
	fl.IntVar(&f.Concurrency, "concurrency", 4, "requests in flight at once")
	fl.Float64Var(&f.Rate, "rate", 0, "most events to send a second; 0 for no limit")
	addChoice(cmd, &f.progress, "progress",
		"progress on stderr: bar, plain, json (a line a second) or none; auto is bar on a terminal, else plain",
		"auto", "bar", "plain", "json", "none")
	fl.StringVar(&f.InvocationID, "invocation-id", "",
		"derive messageIds from this instead of the file's contents; stdin sent again with the same id counts once")
	return &f
}

// check looks at what the flags say, but for the files and the mapping. It comes before anything is
// opened, so that a slip leaves no file behind.
func (f *importFlags) check() error {
	switch {
	case f.Concurrency < 1 || f.Concurrency > 256:
		return console.Usage("--concurrency must be from 1 to 256: %d", f.Concurrency)
	case f.Rate < 0 || f.Rate > 0 && f.Rate < 1e-3: // slower than that, an import would never end
		return console.Usage("--rate must be 0, or at least 0.001 events a second: %v", f.Rate)
	case f.Resume && f.Restart:
		return console.Usage("--resume continues and --restart starts over: choose one")
	case f.dryRun && (f.Resume || f.Restart):
		return console.Usage("--dry-run sends nothing, so it cannot --resume or --restart")
	}
	// The reader of CSV looks for one byte. A quote has another meaning to it.
	switch d := f.delimiter; {
	case d == "tab" || d == `\t`:
		f.Delimiter = '\t'
	case len(d) != 1 || d[0] < ' ' && d[0] != '\t' || d[0] > '~' || d == `"`:
		return console.Usage("--delimiter must be tab or one ASCII character other than a quote: %q", d)
	default:
		f.Delimiter = d[0]
	}
	return nil
}

// complete names the files that no flag has named, and connects the import to the target and to the
// terminal. Without a state file, as for stdin, an import cannot be resumed.
func (r *importRun) complete(files []string) (err error) {
	o, t := &r.options, r.target
	if o.Endpoint, err = t.sends.URL(); err != nil {
		return sourceFailure(err)
	}
	o.Key, o.Source, o.Stdin, o.Files = t.sends.WriteKey, t.source, r.program.Stdin, files
	if len(files) == 0 {
		o.Files = []string{importer.Stdin}
	}
	first := fileName(o.Files[0])
	switch {
	case r.dryRun || t.emulator != nil:
		o.StatePath = "" // nothing real is done that must not be done twice
	case o.StatePath == "" && !r.stdin():
		o.StatePath = first + ".import.json"
	}
	if o.RejectsPath == "" && !r.dryRun {
		if r.stdin() { // which has no name of its own, and several may be imported in one folder
			first += time.Now().UTC().Format("-20060102T150405Z-") + rand.Text()[:6]
		}
		o.RejectsPath = first + ".rejects.ndjson"
	}
	o.Note = func(sentence string) { r.program.Note("%s", sentence) }
	// A dry run is the same import, which only ends in another function: what it finds is what the
	// import would.
	o.Mapped, o.Warned, o.Progress, o.Invoke = r.showMapping, r.warn, r.advance, r.send
	if r.dryRun {
		o.Rate, o.Concurrency = 0, 1 // so that the first messages are checked first
		o.Invoke, o.Rejected = r.preview, r.keepReject
	}
	return nil
}

// run imports or checks the files, and says what came of it.
func (r *importRun) run(ctx context.Context) error {
	im, err := importer.New(r.options)
	if err != nil {
		return console.Usage("%w", err)
	}
	if r.stdin() && console.IsTerminal(r.program.Stdin) {
		r.program.Note("reading events from the terminal; end with Ctrl-D on a line of its own")
	}
	counts, err := im.Run(ctx)
	r.progress.end(err == nil)
	r.noteRejected(counts, err)
	if _, ok := errors.AsType[*importer.InputError](err); ok {
		return console.Usage("%w", err)
	}
	if r.dryRun {
		return r.concludeCheck(counts, err)
	}
	return r.conclude(counts, err)
}

// send sends a batch. The receipt of one that failed counts too: some of its messages may have been
// accepted.
func (r *importRun) send(ctx context.Context, batch runtime.JSON) (*runtime.Receipt, error) {
	res, err := r.target.Invoke(ctx, "segment_batch", batch)
	if err != nil {
		return runtime.ErrorOf(err).Receipt, err
	}
	return res.Receipt, nil
}

// preview takes the place of send in a dry run. It keeps the first messages to show them.
func (r *importRun) preview(ctx context.Context, batch runtime.JSON) (*runtime.Receipt, error) {
	const sample = 3 // messages to show
	requests, receipt, err := r.target.Preview(ctx, "segment_batch", batch)
	if err != nil {
		return runtime.ErrorOf(err).Receipt, err
	}
	for _, request := range requests {
		list, _ := rawjson.At([]byte(request.Body), "/batch")
		for one := range rawjson.Elements(list) {
			if len(r.messages) == sample {
				return receipt, nil
			}
			r.messages = append(r.messages, rawjson.OpenObject(one))
		}
	}
	return receipt, nil
}

// advance shows how far the import is. The first call comes before anything is sent: only then it
// is known that the import begins, and what there is to know of it can be said.
func (r *importRun) advance(now importer.Progress) {
	p := r.program
	if r.progress.first == nil && !r.dryRun {
		if r.stdin() {
			p.Note("an import of stdin cannot be resumed")
		}
		if r.target.emulator != nil {
			p.noteEmulator("sending")
		}
		p.mentionRegion(r.target.source, r.target.sends)
	}
	r.progress.show(now)
	if r.target.emulator != nil {
		_ = r.target.emulator.Clear() // nobody can ask it what it got, and its memory is this process's
	}
}
