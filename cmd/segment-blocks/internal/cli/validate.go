package cli

import (
	"errors"
	"io"

	"github.com/spf13/cobra"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/schemas"
)

func newValidate(p *Program) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "validate BLOCK --input JSON|@FILE|@-",
		Short:             "Check an input as run would, and send nothing",
		Args:              oneBlock,
		ValidArgsFunction: p.completeBlock,
	}
	value := addInput(cmd)
	addSource(p, cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		s, in, t, err := p.look(cmd, *value, true)
		if err != nil {
			return err
		}
		defer t.close()
		_, receipt, err := t.Preview(cmd.Context(), args[0], in.json)
		p.printWarnings(receipt)
		err = wrapInvocation(err, in)
		var refusal *console.InputError
		if err != nil && (!errors.As(err, &refusal) || len(refusal.Cause.Violations) == 0) {
			return err
		}
		if err := p.printVerdict(s.Output, args[0], refusal); err != nil {
			return err
		}
		if refusal != nil {
			return console.End(console.ExitOf(refusal.Cause))
		}
		return nil
	}
	return cmd
}

// printVerdict prints whether the block would take the input. A refusal is nil if it would.
func (p *Program) printVerdict(chosen, block string, refusal *console.InputError) error {
	verdict := struct {
		Block      string              `json:"block"`
		Valid      bool                `json:"valid"`
		Code       runtime.Code        `json:"code,omitempty"`
		InputFile  string              `json:"inputFile,omitempty"`
		Violations []schemas.Violation `json:"violations"`
	}{Block: block, Valid: refusal == nil, Violations: []schemas.Violation{}}
	if refusal != nil {
		verdict.Code, verdict.InputFile, verdict.Violations = refusal.Cause.Code, refusal.File, refusal.Cause.Violations
	}
	return p.show(chosen, verdict, func(w io.Writer) {
		if refusal != nil {
			console.WriteErrorText(w, p.Style(w), refusal)
		} else {
			console.Writef(w, "%s would take this input\n", block)
		}
	})
}
