package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/settings"
	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/segment/emulator"
	"github.com/aacflow/segment-blocks/segment/tracking"
	"github.com/aacflow/segment-blocks/workflow"
)

// ndjson is an output format of workflow run alone.
const ndjson = "ndjson"

// runFlags are the flags of workflow run.
type runFlags struct {
	input, run, resume, journals string
	dryRun, allowDuplicates      bool
	concurrency                  int
	pins                         []string
	variables                    *[]string
}

func newWorkflowRun(p *Program) *cobra.Command {
	cmd := &cobra.Command{
		Use: "run FILE", Short: "Run a workflow in this process", Args: oneFile, ValidArgsFunction: completeFile,
	}
	var f runFlags
	flags := cmd.Flags()
	flags.StringVarP(&f.input, "input", "i", "", "the run's input: JSON, @FILE, or @- for stdin")
	flags.StringVar(&f.run, "run", "", "id of the run, which makes it one that can be resumed (default a random id)")
	flags.StringVar(&f.resume, "resume", "", "id of a run to go on with, with the input that it was begun with")
	flags.StringVar(&f.journals, "journals", "", "folder of the runs' journals (default FILE.runs)")
	flags.BoolVar(&f.allowDuplicates, "allow-duplicates", false, "resume a run so old that events may count twice")
	flags.BoolVar(&f.dryRun, "dry-run", false, "send nothing: show requests, and take outputs from the blocks' examples")
	flags.StringArrayVar(&f.pins, "pin", nil, "NODE=FILE: do not invoke the node, take its output from the file")
	flags.IntVar(&f.concurrency, "concurrency", 64, "how many blocks run at once")
	flags.StringP("output", "o", "auto", "output format: auto, text, json, yaml or ndjson")
	f.variables = addVariables(cmd)
	addSource(p, cmd)
	addTimeout(cmd)
	offer(cmd, "output", "text", "json", "yaml", ndjson)
	_ = cmd.MarkFlagFilename("input", "json")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		lines := false
		if asked, _ := cmd.Flags().GetString("output"); asked == ndjson {
			lines = true
			_ = cmd.Flags().Set("output", "json")
		}
		s, err := p.load(cmd)
		if err != nil {
			return err
		}
		format := s.Output
		if lines || p.Format(format, true) == "json" && format == "auto" {
			format = ndjson
		}
		return p.runWorkflow(cmd, args[0], f, s, format)
	}
	return cmd
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
	t, err := p.openForWorkflow(s, f.dryRun)
	if err != nil {
		return err
	}
	defer t.close()
	options := workflow.Options{Invoke: workflow.Invoker(t.Runtime), RunID: f.run, Concurrency: f.concurrency}
	if f.dryRun {
		options.Invoke = workflow.Previewer(t.Runtime, p.registry())
	}
	if options.Journal, err = openJournal(file, f, t); err != nil {
		return err
	}
	if options.Journal != nil {
		defer func() { _ = options.Journal.Close() }()
	}
	if f.resume != "" {
		options.RunID, given = f.resume, options.Journal.Input()
	}
	if options.RunID == "" {
		options.RunID = uuid.NewString()
	}
	g, err := p.readWorkflow(ctx, file, workflow.CheckOptions{Runtime: t.Runtime, Variables: *f.variables, Input: given})
	if err != nil {
		return err
	}
	if options.Pins, err = readPins(g, f.pins); err != nil {
		return err
	}
	options.Environment = func(name string) (string, bool) {
		return p.Variable(name), slices.Contains(*f.variables, name) && p.Variable(name) != ""
	}
	if !f.dryRun {
		p.mentionRegion(t.source, t.sends)
	}
	show := p.newNodes(g, format)
	options.Observe = show.observe
	res, err := workflow.Run(ctx, g, given, options)
	show.end()
	return p.concludeWorkflow(res, err, f, t, format)
}

// runInput returns what --input names, or nil. A resumed run has its own.
func (p *Program) runInput(cmd *cobra.Command, f runFlags) (json.RawMessage, error) {
	switch {
	case f.resume != "" && (f.run != "" || f.input != ""):
		return nil, console.Usage("--resume goes on with the id and the input of the run: leave out --run and --input")
	case f.dryRun && (f.resume != "" || f.run != ""):
		return nil, console.Usage("--dry-run is no run that could be resumed: leave out --run and --resume")
	case f.concurrency < 1:
		return nil, console.Usage("--concurrency must be at least 1: %d", f.concurrency)
	case f.input == "":
		return nil, nil
	}
	in, err := p.readInput(cmd, f.input)
	return json.RawMessage(in.json), err
}

// openForWorkflow returns the configured target or, where none is configured, an emulator in this
// process. References in inputs have been resolved, so that what looks like one is data. It leaves
// out the durable way, since a journal takes its place.
func (p *Program) openForWorkflow(s *settings.Settings, dryRun bool) (*target, error) {
	conventions := runtime.WithConventions(workflow.Conventions())
	source, configured, err := s.Chosen()
	if err != nil {
		return nil, sourceFailure(err)
	}
	key, _, err := s.Key(source)
	switch {
	case dryRun && err != nil:
		return p.newTarget(cmp.Or(source.Name, "placeholder"), s.Tracking(source, placeholderKey), conventions)
	case configured && err != nil:
		return nil, sourceFailure(err)
	case configured || dryRun:
		return p.newTarget(source.Name, s.Tracking(source, key), conventions)
	}
	server, err := emulator.Start()
	if err != nil {
		return nil, console.Failed("cannot start the emulator: %w", err)
	}
	to := tracking.Source{WriteKey: emulatorKey, Endpoint: server.URL, Retry: s.Retry}
	t, err := p.newTarget("emulator", to, conventions)
	if err == nil {
		t.emulator = server
	}
	return t, err
}

// openJournal opens the journal of a run that has a name; others have none.
func openJournal(file string, f runFlags, t *target) (*workflow.Journal, error) {
	run := f.run + f.resume
	if run == "" {
		return nil, nil //nolint:nilnil // a run without a name has no journal
	}
	where := "the emulator inside segment-blocks"
	if t.emulator == nil {
		where = fmt.Sprintf("source %q, key %s", t.source, t.sends.WriteKey.Fingerprint())
	}
	folder := f.journals
	if folder == "" {
		folder = file + ".runs"
	}
	j, err := workflow.OpenJournal(folder, run, workflow.JournalOptions{
		Target: where, AllowDuplicates: f.allowDuplicates, MustExist: f.resume != "",
	})
	if err != nil {
		return nil, console.Usage("%w", err)
	}
	return j, nil
}

// readPins reads the outputs that take the place of nodes.
func readPins(g *workflow.Graph, pins []string) (map[string]json.RawMessage, error) {
	outputs := map[string]json.RawMessage{}
	for _, pin := range pins {
		node, file, ok := strings.Cut(pin, "=")
		if !ok || g.Node(node) == nil {
			return nil, console.Usage("--pin must be NODE=FILE, and the workflow must have the node: %q", pin)
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

// concludeWorkflow prints a result, and returns the error of a run that did not succeed.
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
	switch {
	case errors.Is(err, context.Canceled):
		return console.Fail(console.ExitInterrupted, string(runtime.Canceled), "the run was interrupted"+advice(res, f), err)
	case errors.Is(err, context.DeadlineExceeded):
		return console.Fail(console.ExitUnreachable, string(runtime.DeadlineExceeded),
			"the run was ended by its timeout"+advice(res, f), err)
	case err != nil:
		return console.Failed("%w", err)
	case res.Status == workflow.Failed:
		return failedNode(res, f)
	}
	return nil
}

// advice says how to go on with a run that is not finished.
func advice(res *workflow.Result, f runFlags) string {
	if f.run+f.resume == "" {
		return "; with --run it could be resumed"
	}
	return "; --resume " + res.Run + " goes on with it"
}

// failedNode is the error of a run that failed: that of the first node, in the order of the file,
// that the workflow has no answer to.
func failedNode(res *workflow.Result, f runFlags) error {
	for i, n := range res.Graph.Nodes {
		state := res.State.Nodes[i]
		if state.Status != workflow.Failed || n.OnError != workflow.Fail {
			continue
		}
		var e runtime.Error
		_ = json.Unmarshal(state.Error, &struct {
			Code    *runtime.Code `json:"code"`
			Message *string       `json:"message"`
			Status  *int          `json:"status"`
		}{&e.Code, &e.Message, &e.Status}) // it is what the runtime has written
		message := fmt.Sprintf("the node %q failed: %s%s", n.ID, e.Message, advice(res, f))
		return console.Fail(console.ExitOf(&e), string(e.Code), message, nil)
	}
	return console.End(console.ExitFailure)
}

// printWorkflow prints how far a run has come.
func (p *Program) printWorkflow(res *workflow.Result, format string, dryRun bool) error {
	switch format {
	case ndjson:
		return p.printLine(res)
	case "json", "yaml":
		return p.Print(format, res)
	}
	verb := ""
	if dryRun {
		verb = " as a dry run, nothing was sent"
	}
	w, style := io.Writer(p.Stdout), p.Style(p.Stdout)
	console.Writef(w, "%s %s%s, run %s\n", res.Graph.Name, paintStatus(style, res.Status), verb, res.Run)
	var rows [][]string
	for i, n := range res.Graph.Nodes {
		rows = append(rows, []string{n.ID, string(res.State.Nodes[i].Status), describeNode(res.State.Nodes[i])})
	}
	console.WriteTable(w, rows)
	return nil
}

// printLine prints a document as one line, on a terminal as well.
func (p *Program) printLine(value any) error {
	line, err := json.Marshal(value)
	if err != nil {
		return console.Failed("cannot print the result: %w", err)
	}
	console.Writeln(p.Stdout, string(line))
	return nil
}

func paintStatus(style console.Style, status workflow.Status) string {
	switch status {
	case workflow.Succeeded:
		return style.Good(string(status))
	case workflow.Failed, workflow.Canceled:
		return style.Bad(string(status))
	}
	return string(status)
}

// describeNode says what came of a node, in a few words.
func describeNode(state workflow.NodeState) string {
	var e struct {
		Message string `json:"message"`
	}
	var r struct {
		Accepted int               `json:"accepted"`
		Preview  []json.RawMessage `json:"preview"`
	}
	_ = json.Unmarshal(state.Error, &e) // both are what the runtime has written, or nothing
	_ = json.Unmarshal(state.Receipt, &r)
	switch {
	case state.Error != nil:
		return e.Message
	case state.Loop != nil:
		return console.Count(state.Loop.Count, "iteration")
	case len(r.Preview) > 0:
		return console.Count(len(r.Preview), "request") + " would be sent"
	case r.Accepted > 0:
		return console.Count(r.Accepted, "message") + " accepted"
	}
	return ""
}

// nodes shows what the nodes of a run do: as lines of JSON on stdout, or as a list on the terminal
// that is stderr.
type nodes struct {
	program *Program
	graph   *workflow.Graph
	format  string
	live    bool
	drawn   int               // lines of the list that are on the screen
	states  map[string]string // of nodes that have begun
	running map[string]bool
}

func (p *Program) newNodes(g *workflow.Graph, format string) *nodes {
	live := format != ndjson && console.IsTerminal(p.Stderr) && p.Variable("TERM") != "dumb"
	return &nodes{
		program: p, graph: g, format: format, live: live, states: map[string]string{}, running: map[string]bool{},
	}
}

func (n *nodes) observe(e workflow.Event) {
	if n.format == ndjson {
		_ = n.program.printLine(e) // stdout remembers its own errors
		return
	}
	if !n.live {
		return
	}
	if e.Iteration == nil {
		delete(n.running, e.Node)
	}
	if e.Status == workflow.Running {
		n.running[e.Node] = true
	}
	switch {
	case e.Status == workflow.Running && e.Attempt > 1:
		n.states[e.Node] = fmt.Sprintf("attempt %d is to come", e.Attempt)
	case e.Iteration != nil:
		n.states[e.Node] = fmt.Sprintf("iteration %d", *e.Iteration)
	default:
		n.states[e.Node] = string(e.Status)
	}
	n.draw()
}

// draw writes the list over the one before. A long list is cut to the nodes that run.
func (n *nodes) draw() {
	const most = 20
	w, style := n.program.Stderr, n.program.Style(n.program.Stderr)
	ids := make([]string, 0, len(n.graph.Nodes))
	for _, node := range n.graph.Nodes {
		ids = append(ids, node.ID)
	}
	if len(ids) > most {
		ids = slices.Sorted(maps.Keys(n.running))
		ids = ids[:min(len(ids), most)]
	}
	n.end()
	for _, id := range ids {
		state := n.states[id]
		if state == "" {
			state = string(workflow.Pending)
		}
		console.Writef(w, "  %-24s %s\n", id, paintStatus(style, workflow.Status(state)))
	}
	n.drawn = len(ids)
}

// end takes the list away.
func (n *nodes) end() {
	if n.drawn > 0 {
		console.Writef(n.program.Stderr, "\x1b[%dA\x1b[J", n.drawn)
	}
	n.drawn = 0
}
