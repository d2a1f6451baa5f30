package cli

import (
	"embed"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/settings"
)

// helpTexts has a file for each command and each topic: the long help and, behind a line
// "Examples:", commands to copy.
//
//go:embed help/*.txt
var helpTexts embed.FS

// helpWidth is how wide help is, on a terminal and elsewhere.
const helpWidth = 80

// describe gives a command, and all below it, the help of its file. That of segment-blocks queue
// list is help/queue-list.txt. A test makes sure that no command is without.
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

// topics returns commands that only help shows.
func topics() []*cobra.Command {
	return []*cobra.Command{
		{Use: "exit-codes", Short: "Exit codes and their meaning"},
		{Use: "environment", Short: "Environment variables and the configuration file"},
		{Use: "output", Short: "What goes to stdout and stderr, and in which format"},
	}
}

// helpTables replaces what help texts name in double braces with what the program knows itself, so
// that help cannot fall behind.
func helpTables() *strings.Replacer {
	table := func(rows [][]string) string {
		var b strings.Builder
		console.WriteTableWithin(&b, rows, helpWidth)
		return strings.TrimRight(b.String(), "\n")
	}
	return strings.NewReplacer(
		"{{codes}}", table(exitRows()),
		"{{variables}}", table(variableRows()),
		"{{settings}}", table(settingRows()),
		"{{paths}}", "  "+strings.Join(settings.SearchPath(), "\n  "),
	)
}

// exitRows lists the exit codes, as package console defines them.
func exitRows() (rows [][]string) {
	for _, c := range console.ExitCodes() {
		rows = append(rows, []string{fmt.Sprintf("%3d", c.Code), c.Meaning})
	}
	return rows
}

// variableRows lists the environment variables: those of settings, and those that something else
// reads.
func variableRows() [][]string {
	rows := [][]string{{"SEGMENT_BLOCKS_CONFIG", "the configuration file, as --config"}}
	for _, s := range append(settings.SourceTable(), settings.Table()...) {
		switch s.Env {
		case "":
		case "SEGMENT_WRITE_KEY": // the setting is the name of a variable
			rows = append(rows, []string{s.Env, "the write key of the source to send to"})
		default:
			rows = append(rows, []string{s.Env, s.Says})
		}
	}
	return append(
		rows,
		[]string{"NO_COLOR", "any value turns off the colors on a terminal"},
		[]string{"OTEL_EXPORTER_OTLP_ENDPOINT", "serve and mcp: where to export traces, such as http://127.0.0.1:4318"},
		[]string{"OTEL_…", "serve and mcp: OpenTelemetry's other variables for traces; the protocol is http/protobuf"},
	)
}

// settingRows lists the settings of the configuration file. Those of serve are flags, which the
// help of that command has.
func settingRows() (rows [][]string) {
	for _, s := range append(settings.Table(), settings.SourceTable()...) {
		if strings.HasPrefix(s.Key, "serve.") || strings.HasPrefix(s.Key, "sources.NAME.retry.") {
			continue
		}
		says := s.Says
		if s.Default != "" && s.Default != nil && s.Default != false {
			says += fmt.Sprintf(" (%v)", s.Default)
		}
		rows = append(rows, []string{s.Key, says})
	}
	return append(
		rows,
		[]string{"sources.NAME.retry…", "the settings of retry, for this source alone"},
		[]string{"serve…", "the flags of segment-blocks serve, such as serve.drainDelay for --drain-delay"},
	)
}
