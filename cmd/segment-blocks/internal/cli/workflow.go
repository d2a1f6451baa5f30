package cli

import (
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

// newWorkflowValidate makes workflow validate, whose result is the faults.
func newWorkflowValidate(p *Program) *cobra.Command {
	cmd := ofFile("validate FILE", "Check a workflow and list its faults")
	variables := addVariables(cmd)
	return p.runs(cmd, func(args []string, s *settings.Settings) error {
		// Only the runtime of the target is used, to check the inputs as a run would.
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
		if faults, ok := errors.AsType[*workflow.FileError](err); ok {
			doc.Faults = faults.Faults
			tell := func(w io.Writer) { console.Writeln(w, faults.Error()) }
			return p.conclude(console.ExitUsage, doc, tell)
		} else if err != nil {
			return err
		}
		doc.Name = g.Name
		return p.show(doc, func(w io.Writer) {
			console.Writef(w, "%s: %s is valid, %s\n", text.Escape(args[0]), text.Escape(g.Name),
				console.Count(len(g.Nodes), "node"))
		})
	})
}

// newWorkflowGraph makes workflow graph. It draws what can be read, whether or not its blocks are
// known, because a drawing helps most with a file that is not finished.
func newWorkflowGraph(p *Program) *cobra.Command {
	cmd := ofFile("graph FILE", "Draw a workflow as Mermaid or SVG")
	format := "mermaid"
	addChoice(cmd, &format, "format", "mermaid or svg", "mermaid", "svg")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		data, err := os.ReadFile(args[0])
		if err != nil {
			return console.Usage("cannot read the workflow: %w", err)
		}
		g, err := workflow.Parse(args[0], data)
		if err != nil {
			return workflowFailure(err)
		}
		drawing := g.Mermaid()
		if format == "svg" {
			drawing = g.SVG()
		}
		console.WriteString(p.Stdout, drawing)
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
	cmd := ofFile("new FILE", "Write a starter workflow")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		// O_EXCL, so that a file which another program makes at this moment is kept as well.
		f, err := os.OpenFile(args[0], os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if errors.Is(err, os.ErrExist) {
			return console.Usage("the file already exists and was not changed: %s", args[0])
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
	}
	return cmd
}

// newWorkflowSchema makes workflow schema. Editors complete and check files by it, and so find most
// mistakes before validate does.
func newWorkflowSchema(p *Program) *cobra.Command {
	cmd := command("schema", "Print the JSON Schema of workflow files")
	cmd.RunE = func(*cobra.Command, []string) error {
		console.WriteString(p.Stdout, strings.TrimRight(string(workflow.Schema()), "\n")+"\n")
		return nil
	}
	return cmd
}
