// Package cli is the segment-blocks command: its subcommands, what they print and what they end
// with.
package cli

import (
	"cmp"
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/settings"
	"github.com/aacflow/segment-blocks/schemas"
)

// Run runs the command and returns what the process is to exit with. When ctx ends, the command was
// interrupted. A panic of the command is reported with its stack, and is an error of the code
// internal.
func Run(ctx context.Context, p *Program) (code int) {
	// The configuration may ask for another format, but it may be the very thing that is wrong.
	p.Output = p.AskedFormat()
	defer func() {
		if value := recover(); value != nil {
			console.Writef(p.Stderr, "panic: %v\n\n%s\n", value, debug.Stack())
			err := console.Crashed(value, "")
			p.Report(err)
			code = int(console.ExitCodeOf(err))
		}
	}()
	// Commands write without looking at errors. The stream remembers the first one, such as a full
	// disk, and it is reported below.
	data := &console.Stream{Writer: p.Stdout}
	p.Stdout = data
	root := newRoot(p) //nolint:contextcheck // commands get ctx from cobra, below
	// Tests that walk the tree see our own commands only, so the rest is done here.
	mendDefaults(root)
	p.addParameters(root)
	root.SetArgs(p.Args)
	root.SetIn(p.Stdin)
	root.SetOut(p.Stdout)
	root.SetErr(p.Stderr)
	err := root.ExecuteContext(ctx)
	if err == nil && data.Err != nil {
		err = console.Failed("cannot write to stdout: %w", data.Err)
	}
	if err != nil {
		p.Report(err)
	}
	return int(console.ExitCodeOf(err))
}

// newRoot makes the whole tree of commands for one run. It is made anew each time, so that tests
// share no state. Cobra prints neither errors nor usage, because [Run] prints errors in the format
// that was asked for.
func newRoot(p *Program) *cobra.Command {
	p.inputs = map[*cobra.Command]*blockInput{}
	root := group("segment-blocks", "Send events to Segment, and see exactly what is sent")
	// Help shows the groups in this order: what everybody needs comes first.
	for _, g := range []struct {
		title    string
		commands []*cobra.Command
	}{
		{"Use the blocks:", []*cobra.Command{
			newRun(p), newPreview(p), newValidate(p), newImport(p), newWorkflow(p), newBlocks(p),
		}},
		{"Serve them to other programs:", []*cobra.Command{newServe(p), newMCP(p)}},
		{"Operate:", []*cobra.Command{
			group("config", "Show the current configuration", newConfigShow(p)), newDoctor(p), newQueueCommand(p),
		}},
		{"Develop:", []*cobra.Command{newEmulator(p), newExport(p)}},
	} {
		root.AddGroup(&cobra.Group{ID: g.title, Title: g.title})
		for _, cmd := range g.commands {
			cmd.GroupID = g.title
		}
		root.AddCommand(g.commands...)
	}
	root.AddCommand(newVersion(p))
	root.AddCommand(topics()...)
	describe(root, helpTables())
	root.Version, root.SilenceErrors, root.SilenceUsage = console.ReadBuild().String(), true, true
	root.SetVersionTemplate("{{.Version}}\n")
	root.PersistentFlags().String("config", "",
		"configuration `file` (default ./segment-blocks.yaml, then the one in your config folder)")
	root.PersistentFlags().StringP("output", "o", "auto",
		"output `format`: auto, text, json or yaml; see segment-blocks help output")
	root.SetFlagErrorFunc(p.flagError)
	root.SetUsageTemplate(usageTemplate)
	offer(root, "output", "text", "json", "yaml")
	return root
}

// usageTemplate is what help shows below its text. Cobra's own form of it has lines that are too
// long.
//
//go:embed usage.tmpl
var usageTemplate string

// mendDefaults makes cobra's own commands refuse what they do not know. Otherwise help shows the
// help of the whole program, and completion does nothing.
func mendDefaults(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		switch c.Name() {
		case "completion":
			// Alone it is half a command, as a group of ours is.
			c.Args, c.RunE = noSuchCommand, showHelp
		case "help":
			c.Run, c.RunE = nil, func(_ *cobra.Command, args []string) error {
				found, rest, err := root.Find(args)
				if err == nil && found.HasSubCommands() {
					err = noSuchCommand(found, rest)
				}
				if err != nil {
					return err
				}
				found.InitDefaultHelpFlag()
				return found.Help()
			}
		}
	}
}

// flagError explains a flag that does not exist, with the one that was probably meant, or a value
// that is not one of those it can have. Whoever tries to pass a write key learns why there is no
// such flag. A block that does not exist has no flags, so it is named first.
func (p *Program) flagError(cmd *cobra.Command, err error) error {
	wrong, invalid := errors.AsType[*pflag.InvalidValueError](err)
	if invalid && strings.HasPrefix(wrong.Unwrap().Error(), "must ") {
		return console.Usage("--%s %w", wrong.GetFlag().Name, wrong.Unwrap())
	}
	unknown, ok := errors.AsType[*pflag.NotExistError](err)
	if !ok {
		return console.Usage("%w", err)
	}
	name := unknown.GetSpecifiedName()
	// In whatever spelling: --writeKey and --segment-write-key mean the same wish.
	if strings.Contains(strings.ToLower(strings.ReplaceAll(name, "-", "")), "writekey") {
		return console.Usage("no flag takes a write key, because other users could see it: " +
			"set SEGMENT_WRITE_KEY, or name a file with writeKeyFile")
	}
	of := cmd.CommandPath()
	if in := p.inputs[cmd]; in != nil {
		if in.block == "" {
			_, unknown := p.find(cmd.Flags().Arg(0))
			return cmp.Or(oneBlock(cmd, cmd.Flags().Args()), unknown, err)
		}
		of += " " + in.block
	}
	var known []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, "--"+f.Name) })
	dashes := strings.Repeat("-", min(2, len(name))) // a shorthand has one letter and one dash
	return console.Usage("%s%s is not a flag of %s%s", dashes, name, of, schemas.DidYouMean(dashes+name, known))
}

// newVersion makes version, which unlike --version has a JSON form. It works with a configuration
// that is not valid, because whoever reports that needs the version. It then knows only the format
// that the command line or the environment asks for.
func newVersion(p *Program) *cobra.Command {
	cmd := command("version", "Print the version, commit and date of this program")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		_, err := p.readSettings(cmd)
		if err != nil && !slices.Contains([]string{"", "auto", "text", "json", "yaml"}, p.Output) {
			return configurationFailure(err)
		}
		b := console.ReadBuild()
		return p.show(b, func(w io.Writer) { console.Writeln(w, b.String()) })
	}
	return cmd
}

// helpTexts has a file for each command and each topic: the long help and, behind a line
// "Examples:", commands to copy.
//
//go:embed help/*.txt
var helpTexts embed.FS

// helpWidth is how wide help is, on a terminal and elsewhere.
const helpWidth = 80

// describe gives a command, and all below it, the help in its file: that of segment-blocks queue
// list is help/queue-list.txt. A test makes sure that every command has a file.
func describe(cmd *cobra.Command, tables *strings.Replacer) {
	data, _ := helpTexts.ReadFile(helpFile(cmd))
	text := strings.TrimRight(string(data), "\n")
	cmd.Long, cmd.Example, _ = strings.Cut(tables.Replace(text), "\n\nExamples:\n")
	for _, c := range cmd.Commands() {
		describe(c, tables)
	}
}

// helpFile returns the name of the file that holds the help of a command.
func helpFile(cmd *cobra.Command) string {
	path := strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()+" ")
	return "help/" + strings.ReplaceAll(path, " ", "-") + ".txt"
}

// topics returns commands that only help shows: they have a text and nothing to run.
func topics() []*cobra.Command {
	return []*cobra.Command{
		{Use: "exit-codes", Short: "Exit codes and their meaning"},
		{Use: "environment", Short: "Environment variables and the configuration file"},
		{Use: "output", Short: "What goes to stdout and stderr, and in which format"},
	}
}

// helpTables replaces what help texts name in double braces with what the program knows itself, so
// that help cannot fall behind. Of the settings it leaves out those of serve, which are flags that
// the help of that command has, and those of a source's retry, which have the texts of retry.
func helpTables() *strings.Replacer {
	var variables, inFile [][]string
	for _, s := range append(settings.SourceTable(), settings.Table()...) {
		if s.Env != "" {
			variables = append(variables, []string{s.Env, s.Says})
		}
		if strings.HasPrefix(s.Key, "serve.") || strings.HasPrefix(s.Key, "sources.NAME.retry.") {
			continue
		}
		says := s.Says
		if s.Default != "" && s.Default != nil && s.Default != false {
			says += fmt.Sprintf(" (%v)", s.Default)
		}
		inFile = append(inFile, []string{s.Key, says})
	}
	table := func(rows [][]string) string {
		var b strings.Builder
		console.WriteTableWithin(&b, rows, helpWidth)
		return strings.TrimRight(b.String(), "\n")
	}
	return strings.NewReplacer("{{variables}}", table(variables), "{{settings}}", table(inFile),
		"{{paths}}", "  "+strings.Join(settings.SearchPath(), "\n  "))
}

// newConfigShow makes config show. It has the flags of commands that send, so that their effect can
// be seen without sending anything. Write keys are shown as fingerprints.
func newConfigShow(p *Program) *cobra.Command {
	cmd := command("show", "Show every setting, its value and where it comes from")
	origin := cmd.Flags().Bool("origin", false, "show where each value comes from")
	addSource(p, cmd)
	addSettings(cmd, "timeout")
	return p.runs(cmd, func(_ []string, s *settings.Settings) error {
		result := struct {
			File     *string          `json:"file"` // null without one
			Settings []settings.Value `json:"settings"`
		}{nil, s.Values()}
		if s.File != "" {
			result.File = &s.File
		}
		return p.show(result, func(w io.Writer) {
			console.WriteList(w, result.Settings, func(v settings.Value) []string {
				if *origin {
					return []string{v.Key, settingText(v.Value), v.Origin}
				}
				return []string{v.Key, settingText(v.Value)}
			})
			if s.File == "" {
				p.Note("no configuration file was found; looked for %s", strings.Join(settings.SearchPath(), " and "))
			}
		})
	})
}

// settingText returns a value for people: a dash for what is not set, and a list without its
// brackets.
func settingText(value any) string {
	if value == nil || value == "" {
		return "-"
	}
	return strings.Trim(fmt.Sprint(value), "[]") // of a list
}
