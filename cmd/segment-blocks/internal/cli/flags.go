package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/settings"
	"github.com/aacflow/segment-blocks/internal/text"
	"github.com/aacflow/segment-blocks/schemas"
)

// command returns a command. It takes as many arguments as there are checks of them, so without a
// check it takes none.
func command(use, short string, args ...cobra.PositionalArgs) *cobra.Command {
	return &cobra.Command{Use: use, Short: short, Args: cobra.MatchAll(append(args, atMost(len(args)))...)}
}

// needs demands arguments. In the message %[1]s stands for the command.
func needs(least int, message string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < least {
			return console.Usage(message, cmd.CommandPath())
		}
		return nil
	}
}

// oneBlock demands the id of a block. The command itself finds out whether there is such a block,
// because it can suggest another.
func oneBlock(cmd *cobra.Command, args []string) error {
	return needs(1, "%[1]s needs the id of a block, such as %[1]s segment_track")(cmd, args)
}

// atMost refuses further arguments. Cobra's own check does not say what was given.
func atMost(most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) <= most:
			return nil
		case most == 0:
			return console.Usage("%s takes no arguments: %q", cmd.CommandPath(), args[0])
		}
		takes := console.Count(most, "argument")
		return console.Usage("%s takes %s: %q is too many", cmd.CommandPath(), takes, args[most])
	}
}

// completeBlock offers the ids of the blocks.
func (p *Program) completeBlock(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	var ids []string
	if len(args) == 0 {
		for _, b := range p.registry().List() {
			ids = append(ids, b.Manifest().ID+"\t"+b.Manifest().Summary)
		}
	}
	return ids, cobra.ShellCompDirectiveNoFileComp
}

// group returns a command that only groups others. Alone it prints its help, which is what somebody
// who types half a command needs.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	// Without Args and RunE cobra would show the help for a misspelt command too, and end with 0,
	// so that a script would go on.
	cmd := &cobra.Command{Use: use, Short: short, Args: noSuchCommand, RunE: showHelp}
	cmd.AddCommand(commands...)
	return cmd
}

func showHelp(cmd *cobra.Command, _ []string) error { return cmd.Help() }

// noSuchCommand refuses arguments of a command that only groups others.
func noSuchCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var known []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() || c.IsAdditionalHelpTopicCommand() {
			known = append(known, c.Name())
		}
	}
	return console.Usage("%q is not a command of %s%s", args[0], cmd.CommandPath(), schemas.DidYouMean(args[0], known))
}

// offer makes shells complete the value of a flag from a list.
func offer(cmd *cobra.Command, flag string, values ...string) {
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}

// choice is a flag that takes one of a few words. It checks them as the command line is read, so
// that a slip is found before anything is opened.
type choice[T ~string] struct {
	value *T
	words []string
}

// addChoice adds a flag that takes one of the words, which shells complete. Its default is the
// value.
func addChoice[T ~string](cmd *cobra.Command, value *T, flag, usage string, words ...T) {
	c := &choice[T]{value: value}
	for _, word := range words {
		c.words = append(c.words, string(word))
	}
	cmd.Flags().Var(c, flag, usage)
	offer(cmd, flag, c.words...)
}

// String returns the word.
func (c *choice[T]) String() string { return string(*c.value) }

// Type names the kind in help.
func (*choice[T]) Type() string { return "word" }

// Set takes a word, or the default that it has already.
func (c *choice[T]) Set(word string) error {
	if T(word) != *c.value && !slices.Contains(c.words, word) {
		return fmt.Errorf("must be %s: %q%s", text.Or(c.words...), word, schemas.DidYouMean(word, c.words))
	}
	*c.value = T(word)
	return nil
}

// addSource adds --source. Shells complete the names in the configuration, which may be the one
// that --config names.
func addSource(p *Program, cmd *cobra.Command) {
	cmd.Flags().String("source", "", "`name` of the configured source to send to")
	_ = cmd.RegisterFlagCompletionFunc("source", func(
		cmd *cobra.Command, _ []string, _ string,
	) ([]string, cobra.ShellCompDirective) {
		s, err := p.readSettings(cmd)
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		return s.Names(), cobra.ShellCompDirectiveNoFileComp
	})
}

// addSettings adds a flag for each setting whose key begins so, with the default and the words of
// the table, so that flags and file cannot differ.
func addSettings(cmd *cobra.Command, prefix string) {
	for _, s := range settings.Table() {
		if !strings.HasPrefix(s.Key, prefix) {
			continue
		}
		value := &settingFlag{kind: s.Kind}
		if s.Default != nil {
			value.text = fmt.Sprint(s.Default)
		}
		flag := cmd.Flags().VarPF(value, s.Flag, "", s.Says)
		if s.Kind == settings.Bool { // --quiet is --quiet=true
			flag.NoOptDefVal = "true"
		}
		if words := s.Words(); words != nil {
			offer(cmd, s.Flag, words...)
			value.kind = "word"
		}
	}
}

// settingFlag holds the text of a flag. Package settings reads it, as it reads a value of the file
// or of a variable, and so all three are refused in the same words.
type settingFlag struct {
	kind  settings.Kind
	text  string
	given bool
}

// String returns the text.
func (f *settingFlag) String() string { return f.text }

// Type names the kind in help.
func (f *settingFlag) Type() string { return string(f.kind) }

// Set keeps a text. A list may be spread over several flags.
func (f *settingFlag) Set(text string) error {
	if f.kind == settings.List && f.given {
		text = f.text + "," + text
	}
	f.text, f.given = text, true
	return nil
}

// addInvocationID adds --invocation-id, the key to sending an input again without counting it
// twice.
func addInvocationID(cmd *cobra.Command) *string {
	return cmd.Flags().String(
		"invocation-id", "", "`id` of this invocation; the same id and input again count once",
	)
}
