package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/workflow"
)

// ofFile returns a command that is given a workflow file.
func ofFile(use, short string) *cobra.Command {
	cmd := command(use, short, needs(1, "%s needs a workflow file, such as order.workflow.yaml"))
	endings := []string{"yaml", "yml", "json"}
	cmd.ValidArgsFunction = cobra.FixedCompletions(endings, cobra.ShellCompDirectiveFilterFileExt)
	return cmd
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

// workflowFailure is the error of a file with faults. Its message only counts them: people see them
// as a list below it, and programs as violations.
func workflowFailure(err error) error {
	faults, ok := errors.AsType[*workflow.FileError](err)
	if !ok {
		return err
	}
	message := faults.File + " is not a valid workflow, nothing was sent: it has " +
		console.Count(len(faults.Faults)+faults.Unlisted, "fault")
	return console.Fail(console.ExitUsage, "invalid_workflow", message, err)
}

// environment gives workflows the variables that they may use, and no others: a file may be
// somebody else's, and the environment holds secrets.
func (p *Program) environment(allowed []string) workflow.Environment {
	return func(name string) (string, bool) {
		value := p.Variable(name)
		return value, slices.Contains(allowed, name) && value != ""
	}
}

// journalTarget says in the journal of a run where it sends.
func journalTarget(source runtime.SourceInfo) string {
	if source.Emulated {
		return "the emulator inside segment-blocks"
	}
	return fmt.Sprintf("source %q, key %s", source.Name, source.Fingerprint)
}
