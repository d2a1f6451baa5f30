package cli

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/settings"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/schemas"
	"github.com/aacflow/segment-blocks/segment/emulator"
	"github.com/aacflow/segment-blocks/segment/importer"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

// importFlags are the flags of the command: those that are options of an import, and the others.
type importFlags struct {
	importer.Options
	delimiter, progress string
	dryRun              bool
}

func newImport(p *Program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "import [FILE…]",
		Short: "Send files of events, however long, and go on after a stop",
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return []string{"ndjson", "jsonl", "json", "csv", "gz"}, cobra.ShellCompDirectiveFilterFileExt
		},
	}
	f := addImportFlags(cmd)
	addSource(p, cmd)
	addTimeout(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		s, err := p.load(cmd)
		if err != nil {
			return err
		}
		if err := f.check(); err != nil {
			return err
		}
		t, err := p.openToImport(s, f.dryRun)
		if err != nil {
			return err
		}
		defer t.close()
		endpoint, err := t.sends.URL()
		if err != nil {
			return sourceFailure(err)
		}
		run := &importRun{
			program: p, options: f.Options, target: t, progress: f.progress, format: p.Format(s.Output, false),
		}
		run.options.Key, run.options.Source, run.options.Endpoint = t.sends.WriteKey, t.source, endpoint
		run.options.Stdin, run.options.Files = p.Stdin, args
		run.complete(f.dryRun)
		ctx, cancel := limited(cmd.Context(), s)
		defer cancel()
		if f.dryRun {
			return run.check(ctx)
		}
		return run.send(ctx)
	}
	return cmd
}

// addImportFlags gives the command the flags that only it has.
func addImportFlags(cmd *cobra.Command) *importFlags {
	f := importFlags{progress: "auto"}
	fl := cmd.Flags()
	addChoice(cmd, &f.Type, "type",
		"type of the messages that do not say theirs: track, identify, page, screen, group or alias",
		tracking.Track, tracking.Identify, tracking.Page, tracking.Screen, tracking.Group, tracking.Alias)
	addChoice(cmd, &f.Format, "format", "ndjson or csv, whatever the names of the files say",
		importer.NDJSON, importer.CSV)
	fl.StringVar(&f.delimiter, "delimiter", ",", "what stands between the fields of a CSV row, such as ';' or tab")
	fl.StringArrayVar(&f.Map, "map", nil,
		"make a CSV column a field: COLUMN=FIELD, COLUMN=FIELD:KIND, or COLUMN= to leave it out")
	fl.BoolVar(&f.dryRun, "dry-run", false,
		"check every line and print the first messages as they would be sent; send nothing")
	fl.BoolVar(&f.Resume, "resume", false, "go on where an earlier run stopped")
	fl.BoolVar(&f.Restart, "restart", false, "begin again, whatever an earlier run has left; its rejects are overwritten")
	fl.StringVar(&f.StatePath, "state", "",
		"file that says how far the import is (default: FILE.import.json beside the first file)")
	fl.StringVar(&f.RejectsPath, "rejects", "",
		"file for what cannot be sent (default: FILE.rejects.ndjson beside the first file)")
	fl.IntVar(&f.Concurrency, "concurrency", 4, "how many requests may be in flight at once")
	fl.Float64Var(&f.Rate, "rate", 0, "how many events to send a second, at most; 0 for as many as are taken")
	addChoice(cmd, &f.progress, "progress",
		"on stderr: bar, plain, json (a line of JSON a second) or none; auto is bar on a terminal, else plain",
		"auto", "bar", "plain", "json", "none")
	fl.StringVar(&f.InvocationID, "invocation-id", "",
		"derive messageIds from this in place of the files' contents; stdin given again with the same id counts once")
	return &f
}

// check looks at what the flags say, but for the files and the mapping.
func (f *importFlags) check() error {
	switch {
	case f.Concurrency < 1 || f.Concurrency > 256:
		return console.Usage("--concurrency must be from 1 to 256: %d", f.Concurrency)
	case f.Rate < 0 || f.Rate > 0 && f.Rate < 1e-3:
		return console.Usage("--rate must be 0, or events a second: %s", strconv.FormatFloat(f.Rate, 'g', -1, 64))
	case f.Resume && f.Restart:
		return console.Usage("--resume goes on and --restart begins again: choose one")
	case f.dryRun && (f.Resume || f.Restart):
		return console.Usage("--dry-run checks all lines, and has nothing to resume or restart")
	}
	switch d := f.delimiter; {
	case d == "tab" || d == `\t`:
		f.Delimiter = '\t'
	case len(d) != 1 || d[0] < ' ' && d[0] != '\t' || d[0] > '~' || d == `"`:
		return console.Usage("--delimiter must be one ASCII character that is no quote, or tab: %q", d)
	default:
		f.Delimiter = d[0]
	}
	return nil
}

// openToImport returns the configured target or, where none is configured, an emulator that forgets
// what it got. It leaves out the durable way, since the state of an import is its queue.
func (p *Program) openToImport(s *settings.Settings, dryRun bool) (*target, error) {
	if dryRun {
		return p.openToLook(s, false)
	}
	chosen, configured, err := s.Chosen()
	if err != nil {
		return nil, sourceFailure(err)
	}
	const inFlight = 1 // the import's own concurrency takes its place
	if !configured {
		source := tracking.Source{Retry: s.Retry, InFlight: inFlight}
		return p.openEmulator(source, emulator.Capacity(1), emulator.DedupWindow(0))
	}
	key, _, err := s.Key(chosen)
	if err != nil {
		return nil, console.Fail(console.ExitCredentials, string(runtime.MissingCredential), err.Error(), err)
	}
	source := s.Tracking(chosen, key)
	source.InFlight = inFlight
	return p.newTarget(chosen.Name, source)
}

// importRun is one run of the command.
type importRun struct {
	program  *Program
	options  importer.Options
	target   *target
	progress string
	format   string // of the summary
}

// complete names the files that no flag has named, and shows what the import finds.
func (r *importRun) complete(dryRun bool) {
	o := &r.options
	if len(o.Files) == 0 {
		o.Files = []string{importer.Stdin}
	}
	first := o.Files[0]
	if r.stdin() {
		first = "stdin"
	} else if o.StatePath == "" {
		o.StatePath = first + ".import.json"
	}
	if dryRun || r.target.emulator != nil {
		o.StatePath = "" // nothing real is done that must not be done twice
	}
	if o.RejectsPath == "" && !dryRun {
		o.RejectsPath = first + ".rejects.ndjson"
	}
	o.Note = func(sentence string) { r.program.Note("%s", sentence) }
	o.Mapped = r.showMapping
	o.Warned = func(file string, line int64, w schemas.Violation) {
		if w.Code == "emulated" && r.target.emulator != nil {
			return // noteReceiver says so
		}
		where := ""
		if line > 0 {
			where = fmt.Sprintf("%s:%d: ", fileName(file), line)
		}
		r.program.Warn("%s%s %s (%s; only the first is shown)", where, w.Path, w.Message, w.Code)
	}
}

// fileName returns the name of a file for people.
func fileName(file string) string {
	if file == importer.Stdin {
		return "stdin"
	}
	return file
}

func (r *importRun) stdin() bool { return r.options.Files[0] == importer.Stdin }

// send imports, and says what came of it.
func (r *importRun) send(ctx context.Context) error {
	p, o := r.program, &r.options
	o.Invoke = func(ctx context.Context, batch runtime.JSON) (*runtime.Receipt, error) {
		res, err := r.target.Invoke(ctx, "segment_batch", batch)
		if err != nil {
			return runtime.ErrorOf(err).Receipt, err
		}
		return res.Receipt, nil
	}
	show := p.newProgress(r.progress)
	o.Progress = func(now importer.Progress) {
		if show.first == nil {
			r.noteReceiver()
		}
		show.show(now)
		if r.target.emulator != nil {
			_ = r.target.emulator.Clear() // nobody can ask it what it got, and its memory is this process's
		}
	}
	im, err := importer.New(*o)
	if err != nil {
		return console.Usage("%w", err)
	}
	if r.stdin() && console.IsTerminal(p.Stdin) {
		p.Note("reading events from the terminal; end them with Ctrl-D on a line of its own")
	}
	counts, err := im.Run(ctx)
	show.end(err == nil)
	return r.conclude(counts, err)
}

// noteReceiver says what to know of the import before anything is sent.
func (r *importRun) noteReceiver() {
	p := r.program
	if r.stdin() {
		p.Note("an import of stdin cannot be resumed")
	}
	if r.target.emulator != nil {
		p.Note("no source is configured: sending to an emulator inside this process, the events are not real")
		p.Note("to send to Segment, set SEGMENT_WRITE_KEY and SEGMENT_REGION (us or eu); see segment-blocks help environment")
	}
	p.mentionRegion(r.target)
}
