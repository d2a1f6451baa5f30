package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/settings"
)

// topicWidth is the width of the tables in topics, which are made before the terminal is known.
const topicWidth = 80

// topics returns commands that only help shows.
func topics() []*cobra.Command {
	return []*cobra.Command{
		{Use: "exit-codes", Short: "Exit codes and their meaning", Long: exitTopic()},
		{Use: "environment", Short: "Environment variables and the configuration file", Long: environmentTopic()},
		{Use: "output", Short: "What goes to stdout and stderr, and in which format", Long: outputTopic()},
	}
}

func exitTopic() string {
	var b strings.Builder
	b.WriteString("The exit code tells a script what to do next:\n\n")
	var rows [][]string
	for _, c := range console.ExitCodes() {
		rows = append(rows, []string{fmt.Sprintf("%3d", c.Code), c.Meaning})
	}
	console.WriteTableWithin(&b, rows, topicWidth)
	b.WriteString(`
Retry after 5, 6 and 130. Some of the messages may have been accepted, so use the --invocation-id that the first run was
given or that its error names: then Segment counts nothing twice.

import ends with 6 if lines were rejected and all others accepted. If it stops early, it ends with the code of the
failure, and --resume continues it. import --dry-run ends with 2 if nothing would be sent.

doctor ends with the code of the first check that failed; warnings leave it at 0.

After a bug of its own, segment-blocks ends with 1 or by SIGABRT (134 in a shell), never with 2.`)
	return b.String()
}

func environmentTopic() string {
	var b strings.Builder
	b.WriteString(`A setting comes from the first of these that has it: a flag, an environment variable, the
configuration file, a default. segment-blocks config show --origin shows which.

Variables:

`)
	rows := [][]string{{"SEGMENT_BLOCKS_CONFIG", "the configuration file, as --config"}}
	for _, s := range append(settings.SourceTable(), settings.Table()...) {
		if s.Env != "" {
			rows = append(rows, []string{s.Env, variableSays(s)})
		}
	}
	rows = append(rows, []string{"NO_COLOR", "any value turns off the colors on a terminal"})
	rows = append(rows,
		[]string{"OTEL_EXPORTER_OTLP_ENDPOINT", "serve and mcp: where to export traces, such as http://127.0.0.1:4318"},
		[]string{"OTEL_…", "serve and mcp: OpenTelemetry's other variables for traces; the protocol is http/protobuf"},
	)
	console.WriteTableWithin(&b, rows, topicWidth)
	console.Writef(&b, `
SEGMENT_WRITE_KEY makes a source called %q and chooses it, whatever the defaultSource of a file is. If a source of the
file takes its key from that variable (writeKeyEnv: SEGMENT_WRITE_KEY), the key belongs to that source alone.

The configuration file is %s, or the one that --config or
SEGMENT_BLOCKS_CONFIG names. Only the first one found is read. An unknown setting in it is an error.
A file that is only found in the current folder may belong to somebody else. It cannot send a key from the environment
or from another file to a host other than Segment's or this machine. It can send one to a port of this machine
(localhost, 127.0.0.1), where an emulator or a proxy may listen.

`, settings.Environment, strings.Join(settings.SearchPath(), ", then "))
	rows = nil
	for _, s := range append(settings.Table(), settings.SourceTable()...) {
		if !strings.HasPrefix(s.Key, "serve.") && !strings.HasPrefix(s.Key, "sources.NAME.retry.") {
			rows = append(rows, []string{s.Key, s.Says + shownDefault(s)})
		}
	}
	rows = append(rows,
		[]string{"sources.NAME.retry…", "the settings of retry, for this source alone"},
		[]string{"serve…", "the flags of segment-blocks serve, such as serve.drainDelay for --drain-delay"},
	)
	console.WriteTableWithin(&b, rows, topicWidth)
	b.WriteString(`
A source has one of writeKey, writeKeyEnv and writeKeyFile, and a region or an endpoint. State the region: a
workspace keeps its data in one region, and events sent to the other are lost, mostly with a success. Paths are
relative to the file.`)
	return b.String()
}

func variableSays(s settings.Setting) string {
	if s.Env == "SEGMENT_WRITE_KEY" {
		return "the write key of the source to send to"
	}
	return s.Says
}

func shownDefault(s settings.Setting) string {
	if s.Default == "" || s.Default == nil || s.Default == false {
		return ""
	}
	return fmt.Sprintf(" (%v)", s.Default)
}

func outputTopic() string {
	return `stdout holds data and nothing else: the output of a block, a list, a schema, a report. The rest goes to
stderr: errors, warnings, which emulator is used, what an emulator receives.

--output, SEGMENT_BLOCKS_OUTPUT, or output in the configuration file chooses the format:

  text  for people
  json  one document; on one line unless stdout is a terminal
  yaml  the same document as YAML
  auto  the default: text, except that run and preview print JSON if stdout is not a terminal, since a program then
        reads it

Errors are text on stderr. If json or yaml is chosen, and not only by auto, an error is a document instead, the last
thing on stderr:

  {"error":{"code":"invalid_input","message":"…","retryable":false,"violations":[{"path":"/event",…}]}}

It always has code, message, retryable and violations, and if they apply status, retryAfterSeconds, items and receipt.
Errors of the command line and the configuration have the same form. The findings of validate and doctor are their
result and go to stdout.

Numbers are printed with the digits that they had. Write keys are never printed.`
}
