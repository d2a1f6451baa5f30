package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/gofrs/flock"
	"github.com/spf13/cobra"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/importer"
	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/settings"
	"github.com/aacflow/segment-blocks/emulator"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/tracking"
)

type importFlags struct {
	typ, format, delimiter  string
	maps                    []string
	state, rejects          string
	resume, restart, dryRun bool
	concurrency             int
	rate                    float64
	progress                string
	invocationID            string
}

func newImport(p *Program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "import [FILE…]",
		Short: "Send files of events, however long, and go on after a stop",
		Long: `Send files of events: NDJSON (.ndjson, .jsonl, .json), one message a line as segment_batch takes them, or CSV (.csv),
a header and one event a row; each also packed (.gz). Without a file, or with -, events are read from stdin.

What cannot be sent is written to a file of rejects, a line each with all reasons, and all the rest is sent. Mend that file
and import it in turn: the lines are taken as they are, the message in each is what counts.

Once a second it writes down how far everything is done, in FILE.import.json. Stopped by whatever, even a kill, it goes on
with --resume: every event is sent, and what is sent twice carries the messageId that it had, so Segment counts it once. An
id is derived from the write key, the file's contents, the line's number and the message, unless the message has one. An
import of stdin cannot be resumed.

Events of one person (userId, else anonymousId, else previousId, else groupId) are sent in order. Where a file joins ids, as an
alias does, only --concurrency 1 keeps the events of all of them in order.

Columns of CSV named as a field of the message (userId, anonymousId, event, timestamp, messageId, groupId, previousId, name,
category) or a part of one (properties.x, traits.x, context.x) become that, all others a property or trait. Cells are texts, and
empty ones are absent. --map COLUMN=FIELD changes that, --map COLUMN=FIELD:KIND also what a cell becomes (number, boolean, json),
and --map COLUMN= leaves the column out.

Segment recommends at most 1,000 requests a second for a workspace, and may queue what exceeds 1,000 events a second for a source:
--rate 1000 keeps to that. Where Segment asks to slow down, that is heeded in any case.

A message without a timestamp gets the time at which it is sent.`,
		Example: `  segment-blocks import events.ndjson
  segment-blocks import events.csv --type track --map user=userId --map total=properties.total:number --dry-run
  segment-blocks import events.csv --type track --map user=userId --map total=properties.total:number --rate 1000
  segment-blocks import --progress none < events.ndjson`,
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return []string{"ndjson", "jsonl", "json", "csv", "gz"}, cobra.ShellCompDirectiveFilterFileExt
		},
	}
	var f importFlags
	fl := cmd.Flags()
	fl.StringVar(&f.typ, "type", "", "type of the messages that do not say theirs: track, identify, page, screen, group or alias")
	fl.StringVar(&f.format, "format", "", "ndjson or csv, whatever the names of the files say")
	fl.StringVar(&f.delimiter, "delimiter", ",", "what stands between the fields of a CSV row, such as ';' or tab")
	fl.StringArrayVar(&f.maps, "map", nil, "make a CSV column a field: COLUMN=FIELD, COLUMN=FIELD:KIND, or COLUMN= to leave it out")
	fl.BoolVar(&f.dryRun, "dry-run", false, "check every line and print the first messages as they would be sent; send nothing")
	fl.BoolVar(&f.resume, "resume", false, "go on where an earlier run stopped")
	fl.BoolVar(&f.restart, "restart", false, "begin again, whatever an earlier run has left; its rejects are overwritten")
	fl.StringVar(&f.state, "state", "", "file that says how far the import is (default: FILE.import.json beside the first file)")
	fl.StringVar(&f.rejects, "rejects", "", "file for what cannot be sent (default: FILE.rejects.ndjson beside the first file)")
	fl.IntVar(&f.concurrency, "concurrency", 4, "how many requests may be under way at once")
	fl.Float64Var(&f.rate, "rate", 0, "how many events to send a second, at most; 0 for as many as are taken")
	fl.StringVar(&f.progress, "progress", "auto", "on stderr: bar, plain, json (a line of JSON a second) or none; auto is bar on a terminal, else plain")
	fl.StringVar(&f.invocationID, "invocation-id", "", "derive messageIds from this in place of the files' contents; stdin given again with the same id counts once")
	_ = cmd.RegisterFlagCompletionFunc("type", cobra.FixedCompletions(typeNames(), cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{"ndjson", "csv"}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("progress", cobra.FixedCompletions(progressNames(), cobra.ShellCompDirectiveNoFileComp))
	addSource(p, cmd)
	addTimeout(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		s, err := p.load(cmd)
		if err != nil {
			return err
		}
		options, err := p.importOptions(f, args)
		if err != nil {
			return err
		}
		t, source, err := p.openToImport(s, f.dryRun)
		if err != nil {
			return err
		}
		defer t.close()
		run := &importRun{program: p, flags: f, options: options, target: t, format: p.format(s.Output, false)}
		run.options.Key = source.WriteKey
		endpoint, err := source.URL()
		if err != nil {
			return sourceFailure(err)
		}
		if t.emulator != nil {
			endpoint = "an emulator" // another one the next time
		}
		run.plan(endpoint)
		ctx, cancel := limited(cmd.Context(), s)
		defer cancel()
		if f.dryRun {
			return run.check(ctx)
		}
		return run.send(ctx)
	}
	return cmd
}

func typeNames() []string {
	var names []string
	for _, t := range tracking.Types() {
		names = append(names, string(t))
	}
	return names
}

// importOptions reads the flags and looks at the files.
func (p *Program) importOptions(f importFlags, args []string) (importer.Options, error) {
	o := importer.Options{
		Type: tracking.Type(f.typ), Concurrency: f.concurrency, Rate: f.rate, InvocationID: f.invocationID,
		StatePath: f.state, RejectsPath: f.rejects,
	}
	format := importer.Format(f.format)
	switch {
	case f.typ != "" && !o.Type.Valid():
		return o, usage("--type must be track, identify, page, screen, group or alias: %q", f.typ)
	case format != "" && format != importer.NDJSON && format != importer.CSV:
		return o, usage("--format must be ndjson or csv: %q", f.format)
	case f.concurrency < 1 || f.concurrency > 256:
		return o, usage("--concurrency must be from 1 to 256: %d", f.concurrency)
	case f.rate < 0 || f.rate > 0 && f.rate < 1e-3:
		return o, usage("--rate must be 0, or events a second: %s", strconv.FormatFloat(f.rate, 'g', -1, 64))
	case f.resume && f.restart:
		return o, usage("--resume goes on and --restart begins again: choose one")
	case f.dryRun && (f.resume || f.restart):
		return o, usage("--dry-run checks all lines, and has nothing to resume or restart")
	}
	if err := knownProgress(f.progress); err != nil {
		return o, err
	}
	var err error
	if o.Delimiter, err = delimiter(f.delimiter); err != nil {
		return o, err
	}
	for _, text := range f.maps {
		rule, err := importer.ParseRule(text)
		if err != nil {
			return o, usage("%w", err)
		}
		o.Rules = append(o.Rules, rule)
	}
	if len(args) == 0 {
		args = []string{importer.Stdin}
	}
	csv := false
	for _, path := range args {
		in, err := importer.OpenInput(path, format, p.stdin)
		if err != nil {
			return o, usage("%w", err)
		}
		csv = csv || in.Format == importer.CSV
		o.Inputs = append(o.Inputs, in)
	}
	if len(f.maps) > 0 && !csv {
		return o, usage("--map is for columns of CSV, and no file is CSV: %q", f.maps[0])
	}
	return o, nameFiles(&o, f)
}

func delimiter(text string) (byte, error) {
	if text == "tab" || text == `\t` {
		return '\t', nil
	}
	if len(text) != 1 || text[0] < ' ' && text[0] != '\t' || text[0] > '~' || text == `"` {
		return 0, usage("--delimiter must be one ASCII character that is no quote, or tab: %q", text)
	}
	return text[0], nil
}

// nameFiles chooses where the state and the rejects go.
func nameFiles(o *importer.Options, f importFlags) error {
	first := o.Inputs[0].Path
	for _, in := range o.Inputs {
		if in.Path != importer.Stdin {
			continue
		}
		switch {
		case len(o.Inputs) > 1:
			return usage("stdin is read by itself, not together with files")
		case f.resume || f.restart || f.state != "":
			return usage("an import of stdin cannot be resumed, since stdin is read only once; import a file, or give an --invocation-id to repeat it safely")
		}
		first = "stdin"
	}
	if o.RejectsPath == "" && !f.dryRun {
		o.RejectsPath = first + ".rejects.ndjson"
	}
	if o.StatePath == "" && first != "stdin" && !f.dryRun {
		o.StatePath = first + ".import.json"
	}
	for _, in := range o.Inputs {
		if sameFile(in.Path, o.RejectsPath) || sameFile(in.Path, o.StatePath) {
			return usage("the file of events cannot take the state or the rejects too; name another with --state or --rejects: %q", in.Path)
		}
	}
	return nil
}

func sameFile(a, b string) bool {
	one, err := os.Stat(a)
	if err != nil {
		return false
	}
	other, err := os.Stat(b)
	return err == nil && os.SameFile(one, other)
}

// openToImport returns the configured target or, where none is configured, an emulator that forgets what it got.
func (p *Program) openToImport(s *settings.Settings, dryRun bool) (*target, tracking.Source, error) {
	fail := func(err error) (*target, tracking.Source, error) { return nil, tracking.Source{}, err }
	chosen, configured, err := s.Chosen()
	if err != nil {
		return fail(sourceFailure(err))
	}
	source := tracking.Source{WriteKey: placeholderKey, Retry: s.RetryPolicy()}
	name := chosen.Name
	var server *emulator.Server
	switch {
	case configured:
		key, _, err := s.Key(chosen)
		switch {
		case err == nil:
		case dryRun:
			key = placeholderKey
		default:
			return fail(&failure{exitCredentials, string(runtime.MissingCredential), err.Error(), err})
		}
		source = s.Tracking(chosen, key)
	case dryRun:
		name = "placeholder"
	default:
		if server, err = emulator.Start(emulator.Capacity(1), emulator.DedupWindow(0)); err != nil {
			return fail(failed("cannot start the emulator: %w", err))
		}
		name, source.WriteKey, source.Endpoint = "emulator", emulatorKey, server.URL
	}
	source.InFlight = 1 // the lanes of the import take its place
	t, err := p.newTarget(name, source)
	if err != nil {
		return fail(err)
	}
	t.emulator = server
	return t, source, nil
}

// importRun is one run of the command.
type importRun struct {
	program *Program
	flags   importFlags
	options importer.Options
	target  *target
	format  string // of the summary
	shown   map[*importer.Input]bool
}

func (r *importRun) plan(endpoint string) {
	o := &r.options
	o.Plan = importer.Plan{
		Source: r.target.source, Credential: o.Key.Fingerprint(), Endpoint: endpoint, Type: r.flags.typ, Map: r.flags.maps,
		Delimiter: string(rune(o.Delimiter)), InvocationID: o.InvocationID,
	}
	for _, in := range o.Inputs {
		o.Plan.Files = append(o.Plan.Files, importer.PlanFile{Name: in.Path, ID: in.ID, Format: in.Format})
	}
	if o.Inputs[0].Path == importer.Stdin && o.InvocationID == "" {
		o.InvocationID = "stdin/" + strconv.FormatInt(time.Now().UnixNano(), 36)
	}
	r.shown = map[*importer.Input]bool{}
	o.Mapped = r.showMapping
	o.Warned = func(file string, line int64, w runtime.Warning) {
		where := ""
		if line > 0 {
			where = fmt.Sprintf("%s:%d: ", file, line)
		}
		r.program.warn("%s%s %s (%s; it is said once)", where, w.Path, w.Message, w.Code)
	}
}

// send imports, and says what came of it.
func (r *importRun) send(ctx context.Context) error {
	p, o := r.program, &r.options
	release, err := r.lock()
	if err != nil {
		return err
	}
	defer release()
	finished, err := r.earlier()
	if err != nil {
		return err
	}
	if finished != nil {
		p.note("this import was finished on %s, and nothing is sent again; --restart begins it anew", finished.Updated.Format(time.RFC3339))
		return r.conclude(finished.Counts, nil)
	}
	if err := importer.Describe(*o); err != nil {
		return usage("%w", err)
	}
	if o.Inputs[0].Path == importer.Stdin {
		if isTerminal(p.stdin) {
			p.note("reading events from the terminal; end them with Ctrl-D on a line of its own")
		}
		p.note("an import of stdin cannot be resumed")
	}
	if r.target.emulator != nil {
		p.note("no source is configured: sending to an emulator inside this process, the events are not real")
		p.note("to send to Segment, set SEGMENT_WRITE_KEY and SEGMENT_REGION (us or eu); see segment-blocks help environment")
	}
	p.mentionRegion(r.target)
	o.Invoke = func(ctx context.Context, batch runtime.JSON) (*runtime.Receipt, error) {
		res, err := r.target.Invoke(ctx, "segment_batch", batch)
		if err != nil {
			return runtime.AsError(err).Receipt, err
		}
		return res.Receipt, nil
	}
	show := p.newProgress(r.flags.progress, o.Inputs)
	o.Progress = func(now importer.Progress) {
		show.show(now)
		if r.target.emulator != nil {
			_ = r.target.emulator.Clear() // nobody can ask it what it got, and its memory is this process's
		}
	}
	im, err := importer.New(*o)
	if err != nil {
		return failed("%w", err)
	}
	counts, err := im.Run(ctx)
	show.end()
	if err == nil && r.target.emulator != nil && o.StatePath != "" {
		_ = os.Remove(o.StatePath) // nothing real was done that must not be done twice
	}
	return r.conclude(counts, err)
}

// lock keeps another process from importing the same at the same time: both would write the state and the rejects.
func (r *importRun) lock() (release func(), err error) {
	if r.options.StatePath == "" {
		return func() {}, nil
	}
	held := flock.New(r.options.StatePath + ".lock")
	switch ok, err := held.TryLock(); {
	case err != nil:
		return nil, failed("cannot lock the state of the import: %w", err)
	case !ok:
		return nil, failed("another process is importing this: it holds %q", held.Path())
	}
	return func() {
		_ = os.Remove(held.Path()) // before it is given up, so that nobody waits for a file that is gone
		_ = held.Unlock()
	}, nil
}

// earlier finds what an earlier run has left: a state to go on from, or that of an import which was finished.
func (r *importRun) earlier() (finished *importer.State, err error) {
	o := &r.options
	var state *importer.State
	if o.StatePath != "" && !r.flags.restart {
		if state, err = importer.ReadState(o.StatePath); err != nil {
			return nil, usage("%w", err)
		}
	}
	difference := ""
	if state != nil {
		difference = state.Plan.Difference(o.Plan)
	}
	switch {
	case r.flags.restart:
		return nil, nil //nolint:nilnil // nothing counts
	case state != nil && state.Done && difference == "":
		return state, nil
	case state != nil && !state.Done && !r.flags.resume:
		return nil, usage("an earlier run has not finished this import: --resume goes on after %s, --restart begins again; it is described in %q",
			count(int(state.Counts.Events), "event"), o.StatePath)
	case state != nil && !state.Done && difference != "":
		return nil, usage("cannot resume, because %s; --restart begins again", difference)
	case state != nil && !state.Done:
		o.State = state
		r.program.note("going on after %s, at line %d of %s", count(int(state.Counts.Events), "event"), state.Position.Line, r.fileAt(state.Position))
		return nil, nil //nolint:nilnil // o.State has it
	case r.flags.resume:
		r.program.note("there is nothing to go on from, so this begins at the beginning")
	}
	if info, err := os.Stat(o.RejectsPath); err == nil && info.Size() > 0 {
		return nil, usage("there are rejects of an earlier import, which would be lost: name another file with --rejects, or move %q away", o.RejectsPath)
	} else if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, usage("cannot write the rejects: %w", err)
	}
	return nil, nil //nolint:nilnil // there was none
}

func (r *importRun) fileAt(at importer.Position) string {
	if at.File < len(r.options.Inputs) {
		return r.options.Inputs[at.File].Path
	}
	return "the end"
}
