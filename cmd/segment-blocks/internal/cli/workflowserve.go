package cli

import (
	"fmt"
	"slices"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/settings"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/serve/workflows"
	"github.com/aacflow/segment-blocks/workflow"
)

// openWorkflows makes a hosting serve the workflows of a folder. They have a runtime of their own,
// with the same sources: what looks like a reference in an input of the server is refused, and in
// one of a workflow, whose references have been resolved, it is data.
func (p *Program) openWorkflows(h *hosting, s settings.Serve, options []runtime.Option) error {
	var err error
	options = append(slices.Clone(options), runtime.WithConventions(workflow.Conventions()))
	h.flowing, err = runtime.New(p.registry(), options...)
	if err != nil {
		return sourceFailure(err)
	}
	var sources []workflows.Source
	for _, source := range h.Sources() {
		sources = append(sources, workflows.Source{Name: source.Name, Target: journalTarget(source)})
	}
	h.flows, err = workflows.New(workflows.Config{
		Folder: s.Workflows, Registry: p.registry(), Runtime: h.flowing, Sources: sources, Variables: s.WorkflowEnv,
		Environment: p.environment(s.WorkflowEnv),
	})
	if err != nil {
		return console.Usage("%w", err)
	}
	return nil
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
