package cli

import (
	"context"
	_ "embed"
	"errors"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/settings"
	"github.com/aacflow/segment-blocks/internal/text"
	"github.com/aacflow/segment-blocks/workflow"
)

// newWorkflow makes the commands of workflow files.
func newWorkflow(p *Program) *cobra.Command {
	return group("workflow", "Run workflows whose nodes are blocks",
		newWorkflowRun(p), newWorkflowValidate(p), newWorkflowGraph(p), newWorkflowNew(p), newWorkflowSchema(p))
}

// oneFile demands the name of a workflow file.
func oneFile(cmd *cobra.Command, args []string) error {
	switch len(args) {
	case 0:
		return console.Usage("%s needs a workflow file, such as order.workflow.yaml", cmd.CommandPath())
	case 1:
		return nil
	}
	return console.Usage("%s takes one file: %q is too many", cmd.CommandPath(), args[1])
}

func completeFile(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return []string{"yaml", "yml", "json"}, cobra.ShellCompDirectiveFilterFileExt
}

// addVariables adds --env, the host's list of the variables that a workflow may use.
func addVariables(cmd *cobra.Command) *[]string {
	return cmd.Flags().StringSlice("env", nil, "environment variables that the workflow may use as {{NAME}}")
}

// readWorkflow reads and checks a file. Nothing is sent while it has faults.
func (p *Program) readWorkflow(
	ctx context.Context, file string, options workflow.CheckOptions,
) (*workflow.Graph, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, console.Usage("cannot read the workflow: %w", err)
	}
	options.Registry = p.registry()
	g, err := workflow.Check(ctx, file, data, options)
	return g, workflowFailure(err)
}

// workflowFailure is the error of a file with faults.
func workflowFailure(err error) error {
	var faults *workflow.FileError
	if !errors.As(err, &faults) {
		return err
	}
	message := faults.File + " is no workflow that can run, nothing was sent: it has " +
		console.Count(len(faults.Faults)+faults.Unlisted, "fault")
	return console.Fail(console.ExitUsage, "invalid_workflow", message, err)
}

// newWorkflowValidate makes workflow validate, whose result is the faults.
func newWorkflowValidate(p *Program) *cobra.Command {
	cmd := &cobra.Command{
		Use: "validate FILE", Short: "Check a workflow, and list all its faults", Args: oneFile,
		ValidArgsFunction: completeFile,
	}
	variables := addVariables(cmd)
	return p.runs(cmd, func(args []string, s *settings.Settings) error {
		t, err := p.open(s, opening{looks: true, any: true})
		if err != nil {
			return err
		}
		defer t.close()
		options := workflow.CheckOptions{Runtime: t.Runtime, Variables: *variables}
		g, err := p.readWorkflow(cmd.Context(), args[0], options)
		doc := struct {
			File   string           `json:"file"`
			Name   string           `json:"name,omitempty"`
			Valid  bool             `json:"valid"`
			Faults []workflow.Fault `json:"faults"`
		}{File: args[0], Valid: err == nil, Faults: []workflow.Fault{}}
		var faults *workflow.FileError
		switch {
		case errors.As(err, &faults):
			doc.Faults = faults.Faults
		case err != nil:
			return err
		default:
			doc.Name = g.Name
		}
		err = p.show(s.Output, doc, func(w io.Writer) {
			if faults != nil {
				console.Writeln(w, faults.Error())
				return
			}
			console.Writef(w, "%s: %s is in order, %s\n", text.Escape(args[0]), text.Escape(g.Name),
				console.Count(len(g.Nodes), "node"))
		})
		if err == nil && faults != nil {
			return console.End(console.ExitUsage)
		}
		return err
	})
}

// newWorkflowGraph makes workflow graph. It draws what can be read, whether or not its blocks are
// known.
func newWorkflowGraph(p *Program) *cobra.Command {
	cmd := &cobra.Command{
		Use: "graph FILE", Short: "Draw a workflow as Mermaid or SVG", Args: oneFile, ValidArgsFunction: completeFile,
	}
	format := cmd.Flags().String("format", "mermaid", "mermaid or svg")
	offer(cmd, "format", "mermaid", "svg")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		data, err := os.ReadFile(args[0])
		if err != nil {
			return console.Usage("cannot read the workflow: %w", err)
		}
		g, err := workflow.Parse(args[0], data)
		if err != nil {
			return workflowFailure(err)
		}
		switch *format {
		case "mermaid":
			console.WriteString(p.Stdout, g.Mermaid())
		case "svg":
			console.WriteString(p.Stdout, g.SVG())
		default:
			return console.Usage("--format must be mermaid or svg: %q", *format)
		}
		return nil
	}
	return cmd
}

// starter is the file that workflow new writes.
//
//go:embed starter.workflow.yaml
var starter string

// newWorkflowNew makes workflow new.
func newWorkflowNew(p *Program) *cobra.Command {
	return &cobra.Command{
		Use: "new FILE", Short: "Write a workflow to begin with", Args: oneFile,
		RunE: func(_ *cobra.Command, args []string) error {
			f, err := os.OpenFile(args[0], os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
			if errors.Is(err, os.ErrExist) {
				return console.Usage("the file exists already, and is left as it is: %s", args[0])
			}
			if err == nil {
				_, err = f.WriteString(starter)
				err = errors.Join(err, f.Close())
			}
			if err != nil {
				return console.Failed("cannot write the workflow: %w", err)
			}
			p.Note("wrote %s; run it with: segment-blocks workflow run %s", args[0], args[0])
			return nil
		},
	}
}

// newWorkflowSchema makes workflow schema, for editors.
func newWorkflowSchema(p *Program) *cobra.Command {
	return &cobra.Command{
		Use: "schema", Short: "Print the JSON Schema of workflow files", Args: atMost(0),
		RunE: func(*cobra.Command, []string) error {
			console.WriteString(p.Stdout, strings.TrimRight(string(workflow.Schema()), "\n")+"\n")
			return nil
		},
	}
}
