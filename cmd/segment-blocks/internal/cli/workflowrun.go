package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/settings"
	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/workflow"
)

// runFlags are the flags of workflow run.
type runFlags struct {
	input, run, resume, journals string
	dryRun, allowDuplicates      bool
	concurrency                  int
	pins                         []string
	variables                    *[]string
}

// newWorkflowRun makes workflow run. Beside the formats of other commands it has ndjson, a line for
// each event as it happens, because a program may not want to wait for the end of a long run.
func newWorkflowRun(p *Program) *cobra.Command {
	cmd := ofFile("run FILE", "Run a workflow in this process")
	var f runFlags
	flags := cmd.Flags()
	flags.StringVarP(&f.input, "input", "i", "", "the run's input as `json`: text, @FILE, or @- for stdin")
	flags.StringVar(&f.run, "run", "", "`id` of the run, to resume it later (default: a random id, not resumable)")
	flags.StringVar(&f.resume, "resume", "", "`id` of the run to resume, with its original input")
	flags.StringVar(&f.journals, "journals", "", "`folder` of the runs' journals (default FILE.runs)")
	flags.BoolVar(&f.allowDuplicates, "allow-duplicates", false, "resume a run so old that events may count twice")
	flags.BoolVar(&f.dryRun, "dry-run", false, "send nothing: show requests, with outputs of the blocks' examples")
	flags.StringArrayVar(&f.pins, "pin", nil, "`NODE=FILE`: take the node's output from the file, do not invoke it")
	flags.IntVar(&f.concurrency, "concurrency", 64, "blocks that run at once")
	flags.StringP("output", "o", "auto", "output `format`: auto, text, json, yaml or ndjson")
	f.variables = addVariables(cmd)
	addSource(p, cmd)
	addSettings(cmd, "timeout")
	offer(cmd, "output", "text", "json", "yaml", ndjson)
	_ = cmd.MarkFlagFilename("input", "json")
	lines := false
	cmd.PreRun = func(*cobra.Command, []string) { // errors are JSON then
		if asked, _ := flags.GetString("output"); asked == ndjson {
			lines = flags.Set("output", "json") == nil
		}
	}
	return p.runs(cmd, func(args []string, s *settings.Settings) error {
		format := p.Format(true)
		if lines || p.Output == "auto" && format == "json" {
			format = ndjson
		}
		return p.runWorkflow(cmd, args[0], f, s, format)
	})
}

// runWorkflow checks all that can be checked before it opens a journal, and a journal before it
// sends anything.
func (p *Program) runWorkflow(cmd *cobra.Command, file string, f runFlags, s *settings.Settings, format string) error {
	ctx, cancel := limited(cmd.Context(), s)
	defer cancel()
	given, err := p.runInput(cmd, f)
	if err != nil {
		return err
	}
	// References in inputs have been resolved, so that what looks like one is data. The journal
	// takes the place of a store.
	conventions := []runtime.Option{runtime.WithConventions(workflow.Conventions())}
	t, err := p.open(s, opening{looks: f.dryRun, direct: true, options: conventions})
	if err != nil {
		return err
	}
	defer t.close()
	options := workflow.Options{Invoke: workflow.Invoker(t.Runtime), RunID: f.run, Concurrency: f.concurrency}
	// What is previewed has no output, so the next nodes get those of the blocks' examples.
	if f.dryRun {
		options.Invoke = workflow.Previewer(t.Runtime, p.registry())
	}
	if options.Journal, err = openJournal(file, f, t); err != nil {
		return err
	}
	if options.Journal != nil {
		defer func() { _ = options.Journal.Close() }()
	}
	if f.resume != "" { // with another input its outputs so far would not fit
		options.RunID, given = f.resume, options.Journal.Input()
	}
	// The file is checked with the input, which may come from the journal, so it comes after it.
	against := workflow.CheckOptions{Runtime: t.Runtime, Variables: *f.variables, Input: given}
	g, err := p.readWorkflow(ctx, file, against)
	if err != nil {
		return err
	}
	if options.Pins, err = readPins(f.pins); err != nil {
		return err
	}
	options.Environment = p.environment(*f.variables)
	if !f.dryRun { // before the first event may be lost
		p.mentionRegion(t.source, t.sends)
	}
	show := &nodes{program: p, graph: g, states: map[string]string{}}
	options.Observe = show.observer(format)
	res, err := workflow.Run(ctx, g, given, options)
	show.end()
	return p.concludeWorkflow(res, err, f, t, format)
}

// runInput returns what --input names, or nil. A resumed run has its own. It also refuses flags
// that contradict each other, since that needs no file.
func (p *Program) runInput(cmd *cobra.Command, f runFlags) (json.RawMessage, error) {
	switch {
	case f.resume != "" && (f.run != "" || f.input != ""):
		return nil, console.Usage("--resume uses the run's own id and input: omit --run and --input")
	case f.dryRun && (f.resume != "" || f.run != ""):
		return nil, console.Usage("--dry-run cannot be resumed: omit --run and --resume")
	case f.concurrency < 1:
		return nil, console.Usage("--concurrency must be at least 1: %d", f.concurrency)
	case f.input == "":
		return nil, nil
	}
	in, err := p.readInput(cmd.Context(), f.input)
	return json.RawMessage(in.json), err
}

// openJournal opens the journal of a run that has a name; others have none.
func openJournal(file string, f runFlags, t *target) (*workflow.Journal, error) {
	run := f.run + f.resume
	if run == "" {
		return nil, nil //nolint:nilnil // a run without a name has no journal
	}
	folder := f.journals
	if folder == "" {
		folder = file + ".runs"
	}
	j, err := workflow.OpenJournal(folder, run, workflow.JournalOptions{
		Target: journalTarget(t.Sources()[0]), AllowDuplicates: f.allowDuplicates, MustExist: f.resume != "",
	})
	if err != nil {
		return nil, console.Usage("%w", err)
	}
	return j, nil
}

// readPins reads the outputs that take the place of nodes.
func readPins(pins []string) (map[string]json.RawMessage, error) {
	outputs := map[string]json.RawMessage{}
	for _, pin := range pins {
		node, file, ok := strings.Cut(pin, "=")
		if !ok {
			return nil, console.Usage("--pin must be NODE=FILE: %q", pin)
		}
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, console.Usage("cannot read the pinned output: %w", err)
		}
		if _, err := rawjson.ParseObject(data, rawjson.Limits{}); err != nil {
			return nil, console.Usage("the output pinned to %s %w, in %s", node, err, file)
		}
		outputs[node] = json.RawMessage(data)
	}
	return outputs, nil
}

// concludeWorkflow prints a result, and returns the error of a run that did not succeed. The result
// comes first, because it says how far the run has come, whatever has ended it.
func (p *Program) concludeWorkflow(res *workflow.Result, err error, f runFlags, t *target, format string) error {
	if res == nil {
		return console.Usage("%w", err)
	}
	if printing := p.printWorkflow(res, format, f.dryRun); printing != nil {
		return printing
	}
	if t.emulator != nil && !f.dryRun {
		p.noteEmulator("sent")
	}
	// A run that stopped before its end can go on, and the error says how.
	switch {
	case errors.Is(err, context.Canceled):
		return console.Fail(console.ExitInterrupted, string(runtime.Canceled),
			"the run was interrupted"+resumeAdvice(res, f), err)
	case errors.Is(err, context.DeadlineExceeded):
		return console.Fail(console.ExitUnreachable, string(runtime.DeadlineExceeded),
			"the run reached its timeout"+resumeAdvice(res, f), err)
	case err != nil:
		return console.Failed("%w", err)
	case res.Status == workflow.Failed:
		return failedNode(res, f)
	}
	return nil
}

// resumeAdvice says how to go on with a run that is not finished.
func resumeAdvice(res *workflow.Result, f runFlags) string {
	if f.run+f.resume == "" {
		return "; --run makes a run resumable"
	}
	return "; --resume " + res.Run + " resumes it"
}

// failedNode is the error of a run that failed: that of the first node, in the order of the file,
// that the workflow has no answer to.
func failedNode(res *workflow.Result, f runFlags) error {
	i := res.Graph.Failed(res.State)
	failure := res.State.Nodes[i].Error
	var e runtime.Error
	_ = json.Unmarshal(failure, &e) // it is what the runtime has written
	message := fmt.Sprintf("the node %q failed: %s%s", res.Graph.Nodes[i].ID,
		rawjson.OpenObject(failure).Text("message"), resumeAdvice(res, f))
	return console.Fail(console.ExitOf(&e), string(e.Code), message, nil)
}
