package cli

import (
	"errors"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/aacflow/segment-blocks/blocks"
	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/settings"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

// Program is a run of the command. Its methods are what several commands share: they read the
// configuration, find blocks, open targets and print results.
type Program struct {
	*console.Console
	// blocks is made by registry, on demand.
	blocks *registry.Registry
	// inputs are those of the commands that are given a block.
	inputs map[*cobra.Command]*blockInput
}

// readSettings reads the configuration for a command. From here on results and errors have the
// format that it asks for.
func (p *Program) readSettings(cmd *cobra.Command) (*settings.Settings, error) {
	path, _ := cmd.Flags().GetString("config")
	s, err := settings.Load(settings.Options{File: path, Environ: p.Environ, Flags: cmd.Flags(), Command: cmd.Name()})
	if err == nil {
		p.Output = s.Output
	}
	return s, err
}

// load reads the configuration for a command, and prints its warnings.
func (p *Program) load(cmd *cobra.Command) (*settings.Settings, error) {
	s, err := p.readSettings(cmd)
	if err != nil {
		return nil, configurationFailure(err)
	}
	// They come before the command does anything: a misspelt variable may send events elsewhere.
	for _, w := range s.Warnings {
		p.Warn("%s", w)
	}
	return s, nil
}

// runs gives a command its function, which begins with the configuration read, and returns the
// command.
func (p *Program) runs(cmd *cobra.Command, do func(args []string, s *settings.Settings) error) *cobra.Command {
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		s, err := p.load(cmd)
		if err != nil {
			return err
		}
		return do(args, s)
	}
	return cmd
}

// show prints a result in the chosen format: for people as text writes it, and for programs as one
// document. Both are made from one value, so that they cannot say different things.
func (p *Program) show(result any, text func(w io.Writer)) error {
	if format := p.Format(false); format != "text" {
		return p.Print(format, result)
	}
	text(p.Stdout)
	return nil
}

// conclude shows a result that is a verdict, and ends the command with the exit code that says so.
// The result says what is wrong, so no error repeats it.
func (p *Program) conclude(exit console.ExitCode, result any, text func(w io.Writer)) error {
	if err := p.show(result, text); err != nil || exit == console.ExitOK {
		return err
	}
	return console.End(exit)
}

// printDocument prints a result that is for programs only: as YAML if that is asked for, else as
// JSON.
func (p *Program) printDocument(result any) error {
	if p.Output == "yaml" {
		return p.Print("yaml", result)
	}
	return p.Print("json", result)
}

// registry returns the registry with the blocks. It is made once, on demand: compiling the schemas
// takes longer than everything else that most commands do.
func (p *Program) registry() *registry.Registry {
	if p.blocks == nil {
		p.blocks = registry.New()
		blocks.MustRegister(p.blocks) // the manifests are embedded, and tests load them
	}
	return p.blocks
}

// find returns a block. Commands ask for it before they open a target: the runtime would refuse an
// unknown block too, but later.
func (p *Program) find(id string) (registry.Block, error) {
	b, err := p.registry().Find(id)
	if err == nil {
		return b, nil
	}
	message := err.Error()
	if message == registry.ErrUnknown.Error() { // no name is near, so a list helps more
		message += "; segment-blocks blocks list shows them all"
	}
	return b, &runtime.Error{Code: runtime.UnknownBlock, Block: id, Message: message}
}

// sourceFailure gives an error about a source its code and exit code: scripts tell a missing key,
// which is 4, from a source that is not there, which is 2.
func sourceFailure(err error) error {
	own, ok := errors.AsType[*tracking.Error](err)
	if errors.Is(err, settings.ErrNoKey) || ok && own.Code == tracking.MissingCredential {
		return console.Fail(console.ExitCredentials, string(runtime.MissingCredential), err.Error(), err)
	}
	// The reader has configured a source, and does not know what a runtime is.
	message := strings.TrimPrefix(err.Error(), "new runtime: ")
	if strings.Contains(message, "must use https") {
		message += "; SEGMENT_ALLOW_INSECURE=true or the source's allowInsecure allows plain http"
	}
	return console.Fail(console.ExitUsage, string(runtime.UnknownSource), message, err)
}

// configurationFailure is the error of settings that are not valid.
func configurationFailure(err error) error {
	if invalid, ok := errors.AsType[*settings.Error](err); ok {
		return console.Faults(console.CodeConfiguration, "the configuration is not valid", invalid.Faults)
	}
	return console.Fail(console.ExitUsage, console.CodeConfiguration, err.Error(), err)
}
