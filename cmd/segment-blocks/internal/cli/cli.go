// Package cli is the segment-blocks command: its subcommands, what they print and what they end with.
package cli

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/settings"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/schemas"
)

// Program is what a run of the command has to do with the world outside.
type Program struct {
	args           []string
	environ        []string
	stdin          io.Reader
	stdout, stderr io.Writer

	// errorFormat is how an error is to be printed. It is known in full only once the configuration has been read.
	errorFormat string
	// blocks is made by registry, on demand.
	blocks *registry.Registry
}

// Process returns the Program of this process.
func Process() *Program {
	return &Program{args: os.Args[1:], environ: os.Environ(), stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}
}

// Run runs the command and returns what the process is to exit with. When ctx ends, the command was
// interrupted. A panic of the command is reported with its stack, and is an error of the code
// internal.
func Run(ctx context.Context, p *Program) (code int) {
	p.errorFormat = p.askedFormat()
	defer func() {
		if value := recover(); value != nil {
			writef(p.stderr, "panic: %v\n\n%s\n", value, debug.Stack())
			err := crashed(value, "")
			p.report(err, p.errorFormat)
			code = int(classify(err))
		}
	}()
	data := &stream{Writer: p.stdout}
	p.stdout = data
	root := newRoot(p) //nolint:contextcheck // commands get ctx from cobra, below
	root.SetArgs(p.args)
	root.SetIn(p.stdin)
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	err := root.ExecuteContext(ctx)
	if err == nil && data.err != nil {
		err = failed("cannot write to stdout: %w", data.err)
	}
	if err != nil {
		p.report(err, p.errorFormat)
	}
	return int(classify(err))
}

func newRoot(p *Program) *cobra.Command {
	root := &cobra.Command{
		Use:   "segment-blocks",
		Short: "Send events to Segment, and see exactly what is sent",
		Long: `segment-blocks runs the Segment tool blocks from a terminal or a script.

Without any configuration it sends to an emulator of its own, so everything can be tried and nothing reaches Segment.
Set SEGMENT_WRITE_KEY and SEGMENT_REGION to send for real, or name sources in a segment-blocks.yaml.

A write key is never taken from the command line, where other users of the machine could see it: use an environment
variable or a file. No output ever shows one.`,
		Example: `  segment-blocks blocks list
  segment-blocks run segment_track --input '{"event": "Order Completed", "userId": "u-42"}'
  segment-blocks preview segment_track --input @order-completed.json
  segment-blocks import events.ndjson
  segment-blocks emulator
  segment-blocks doctor`,
		Args:          noSuchCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		Version:       readBuild().String(),
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.PersistentFlags().String("config", "", "configuration file (default: ./segment-blocks.yaml, then the one in your config folder)")
	root.PersistentFlags().StringP("output", "o", "auto", "text, json or yaml; what auto is says segment-blocks help output")
	root.SetFlagErrorFunc(flagError)
	root.SetHelpFunc(p.helpFunc(root.HelpFunc()))
	_ = root.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"text", "json", "yaml"}, cobra.ShellCompDirectiveNoFileComp))
	root.AddCommand(
		newRun(p), newPreview(p), newValidate(p), newImport(p), newBlocks(p),
		newServe(p), newMCP(p), newQueueCommand(p), newExport(p), newEmulator(p), newConfig(p), newDoctor(p), newE2E(p), newVersion(p),
	)
	root.AddCommand(topics()...)
	return root
}

// helpFunc returns one that fits help to the width of the terminal, where there is one.
func (p *Program) helpFunc(help func(*cobra.Command, []string)) func(*cobra.Command, []string) {
	return func(cmd *cobra.Command, args []string) {
		if columns(p.stdout) == 0 {
			help(cmd, args)
			return
		}
		var text bytes.Buffer
		cmd.SetOut(&text)
		help(cmd, args)
		cmd.SetOut(p.stdout)
		writes(p.stdout, reflow(text.String(), pageWidth(p.stdout)))
	}
}

// load reads the configuration for a command, and warns of what is unwise in it.
func (p *Program) load(cmd *cobra.Command) (*settings.Settings, error) {
	path, _ := cmd.Flags().GetString("config")
	s, err := settings.Load(settings.Options{File: path, Environ: p.environ, Flags: cmd.Flags(), Command: cmd.Name()})
	if err != nil {
		return nil, &failure{exitUsage, codeConfiguration, err.Error(), err}
	}
	p.errorFormat = s.Output
	for _, w := range s.Warnings {
		p.warn("%s", w)
	}
	return s, nil
}

// askedFormat finds the output format for errors that come before the configuration is read, such as those of the command line.
func (p *Program) askedFormat() string {
	asked := p.variable("SEGMENT_BLOCKS_OUTPUT")
	for i, arg := range p.args {
		switch {
		case arg == "--":
			return asked
		case (arg == "--output" || arg == "-o") && i+1 < len(p.args):
			asked = p.args[i+1]
		case strings.HasPrefix(arg, "--output="):
			asked = strings.TrimPrefix(arg, "--output=")
		case strings.HasPrefix(arg, "-o") && len(arg) > 2:
			asked = strings.TrimPrefix(arg[2:], "=")
		}
	}
	return asked
}

func (p *Program) variable(name string) string {
	for _, pair := range p.environ {
		if value, ok := strings.CutPrefix(pair, name+"="); ok {
			return value
		}
	}
	return ""
}

// noSuchCommand is for commands that do nothing but hold others.
func noSuchCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var known []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			known = append(known, c.Name())
		}
	}
	return usage("%q is not a command of %s%s", args[0], cmd.CommandPath(), schemas.DidYouMean(args[0], known))
}

func flagError(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return usage("%w", err)
	}
	name := unknown.GetSpecifiedName()
	if strings.Contains(strings.ToLower(strings.ReplaceAll(name, "-", "")), "writekey") {
		return usage("a write key is never taken from the command line, where others can see it: set SEGMENT_WRITE_KEY, or name a file with writeKeyFile")
	}
	var known []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
	dashes := "--"
	if len(name) == 1 {
		dashes = "-"
	}
	return usage("%s%s is not a flag of %s%s", dashes, name, cmd.CommandPath(), schemas.DidYouMean(name, known))
}

// oneBlock demands the id of a block.
func oneBlock(cmd *cobra.Command, args []string) error {
	switch len(args) {
	case 0:
		return usage("%s needs the id of a block, such as %s segment_track", cmd.CommandPath(), cmd.CommandPath())
	case 1:
		return nil
	}
	return usage("%s takes one argument, the id of a block: %q is too many", cmd.CommandPath(), args[1])
}

func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usage("%s takes no arguments: %q", cmd.CommandPath(), args[0])
	}
	return nil
}
