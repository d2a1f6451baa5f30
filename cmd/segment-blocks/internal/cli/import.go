package cli

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/settings"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/segment/emulator"
	"github.com/aacflow/segment-blocks/segment/importer"
	"github.com/aacflow/segment-blocks/segment/tracking"
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

Twice a second it writes down how far everything is done, in FILE.import.json. Stopped by whatever, even a kill, it goes on
with --resume: every event is sent, and what is sent twice carries the messageId that it had, so Segment counts it once. An
id is derived from the write key, the file's contents, the line's number and the message, unless the message has one. An
import of stdin cannot be resumed, nor one into the emulator inside this process, which is used where no source is configured.

Events of one person (userId, else anonymousId, else previousId, else groupId) are sent in order. Where a file joins ids, as an
alias does, only --concurrency 1 keeps the events of all of them in order.

Columns of CSV named as a field of the message (userId, anonymousId, event, timestamp, messageId, groupId, previousId, name,
category) or a part of one (properties.x, traits.x, context.x) become that, all others a property or trait. Cells are texts, and
empty ones are absent. --map COLUMN=FIELD changes that, --map COLUMN=FIELD:KIND also what a cell becomes (number, boolean, json),
and --map COLUMN= leaves the column out.

Segment recommends at most 1,000 requests a second for a workspace, and may queue what exceeds 1,000 events a second for a source:
--rate 1000 keeps to that, in bursts of a quarter of a second's worth. Where Segment asks to slow down, that is heeded in any case.

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
		run := &importRun{program: p, flags: f, options: options, target: t, format: p.Format(s.Output, false)}
		run.options.Key = source.WriteKey
		endpoint, err := source.URL()
		if err != nil {
			return sourceFailure(err)
		}
		if t.emulator != nil {
			endpoint = "an emulator" // another one the next time
		}
		run.segment = source.Endpoint == ""
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

// openToImport returns the configured target or, where none is configured, an emulator that forgets what it got.
func (p *Program) openToImport(s *settings.Settings, dryRun bool) (*target, tracking.Source, error) {
	fail := func(err error) (*target, tracking.Source, error) { return nil, tracking.Source{}, err }
	chosen, configured, err := s.Chosen()
	if err != nil {
		return fail(sourceFailure(err))
	}
	source := tracking.Source{WriteKey: placeholderKey, Retry: s.Retry}
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
			return fail(console.Fail(console.ExitCredentials, string(runtime.MissingCredential), err.Error(), err))
		}
		source = s.Tracking(chosen, key)
	case dryRun:
		name = "placeholder"
	default:
		if server, err = emulator.Start(emulator.Capacity(1), emulator.DedupWindow(0)); err != nil {
			return fail(console.Failed("cannot start the emulator: %w", err))
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
	segment bool   // the receiver is Segment's own
	shown   map[*importer.Input]bool
}

func (r *importRun) plan(endpoint string) {
	o := &r.options
	o.Plan = importer.Plan{
		Source: r.target.source, Credential: o.Key.Fingerprint(), Endpoint: endpoint, Type: r.flags.typ, Map: r.flags.maps,
		Delimiter: string(rune(o.Delimiter)), InvocationID: o.InvocationID,
	}
	for _, in := range o.Inputs {
		o.Plan.Files = append(o.Plan.Files, importer.PlanFile{Name: in.Path, ID: in.ID, Size: max(0, in.Size), Format: in.Format})
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
		r.program.Warn("%s%s %s (%s; it is said once)", where, w.Path, w.Message, w.Code)
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
		p.Note("this import was finished on %s, and nothing is sent again; --restart begins it anew", finished.Updated.Format(time.RFC3339))
		return r.conclude(finished.Counts, nil)
	}
	if err := importer.Describe(*o); err != nil {
		return console.Usage("%w", err)
	}
	if o.Inputs[0].Path == importer.Stdin {
		if console.IsTerminal(p.Stdin) {
			p.Note("reading events from the terminal; end them with Ctrl-D on a line of its own")
		}
		p.Note("an import of stdin cannot be resumed")
	}
	if r.target.emulator != nil {
		p.Note("no source is configured: sending to an emulator inside this process, the events are not real")
		p.Note("to send to Segment, set SEGMENT_WRITE_KEY and SEGMENT_REGION (us or eu); see segment-blocks help environment")
	}
	p.mentionRegion(r.target)
	o.Invoke = func(ctx context.Context, batch runtime.JSON) (*runtime.Receipt, error) {
		res, err := r.target.Invoke(ctx, "segment_batch", batch)
		if err != nil {
			return runtime.ErrorOf(err).Receipt, err
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
		return console.Failed("%w", err)
	}
	counts, err := im.Run(ctx)
	show.end(err == nil)
	if err == nil && r.target.emulator != nil && o.StatePath != "" {
		_ = os.Remove(o.StatePath) // nothing real was done that must not be done twice
	}
	return r.conclude(counts, err)
}
