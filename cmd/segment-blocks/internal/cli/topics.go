package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/settings"
)

// topicWidth is that of the tables in topics, which are made before anybody knows the terminal.
const topicWidth = 80

// topics are commands that only help knows.
func topics() []*cobra.Command {
	return []*cobra.Command{
		{Use: "exit-codes", Short: "What the command ends with, and why", Long: exitTopic()},
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
5, 6 and 130 are worth another try. What was sent may have been accepted all the same, so try again with the --invocation-id
that the error names, or that the first try was given: then nothing is counted twice.
import ends with 6 where lines were rejected and all others accepted, and with the code of the failure where it stopped: then it goes
on with --resume. Its --dry-run ends with 2 where nothing would be sent.
A fault of segment-blocks itself ends it with 1 or by SIGABRT (134 in a shell), never with 2.
doctor ends with the code of the first check that failed; warnings leave it at 0.`)
	return b.String()
}

func environmentTopic() string {
	var b strings.Builder
	b.WriteString(`Each setting is taken from the first of these that gives it: a flag, an environment variable, the configuration file, a
default. segment-blocks config show --origin tells which.

Variables:

`)
	rows := [][]string{{"SEGMENT_BLOCKS_CONFIG", "the configuration file, as --config"}}
	for _, s := range append(settings.SourceTable(), settings.Table()...) {
		if s.Env != "" {
			rows = append(rows, []string{s.Env, variableSays(s)})
		}
	}
	rows = append(rows, []string{"NO_COLOR", "any value: no colors, which are only used on a terminal anyway"})
	rows = append(rows,
		[]string{"OTEL_EXPORTER_OTLP_ENDPOINT", "serve and mcp: where to export traces, such as http://127.0.0.1:4318"},
		[]string{"OTEL_…", "serve and mcp: OpenTelemetry's other variables for traces; the protocol is http/protobuf"},
	)
	console.WriteTableWithin(&b, rows, topicWidth)
	console.Writef(&b, `
SEGMENT_WRITE_KEY makes a source called %q and chooses it, over the defaultSource of a file. Where a source of the file
takes its key from that variable (writeKeyEnv: SEGMENT_WRITE_KEY) the key is that source's alone.

The configuration file is %s, or the one that --config or
SEGMENT_BLOCKS_CONFIG names. Only the first one found is read. A name in it that is not a setting is an error.
A file that is found in the current folder and not named may be somebody else's: it cannot send a key from the environment or
from another file to a host that is neither Segment's nor this machine.

`, settings.Environment, strings.Join(settings.SearchPath(), ", then "))
	rows = nil
	for _, s := range append(settings.Table(), settings.SourceTable()...) {
		if !strings.HasPrefix(s.Key, "serve.") && !strings.HasPrefix(s.Key, "sources.NAME.retry.") {
			rows = append(rows, []string{s.Key, s.Says + shownDefault(s)})
		}
	}
	rows = append(rows,
		[]string{"sources.NAME.retry…", "each setting below retry, for this source alone"},
		[]string{"serve…", "each flag of segment-blocks serve, such as serve.drainDelay for --drain-delay"},
	)
	console.WriteTableWithin(&b, rows, topicWidth)
	b.WriteString(`
A source has one of writeKey, writeKeyEnv and writeKeyFile, and a region or an endpoint. A workspace's data lives in one
region, and what is sent to the other is lost, mostly behind a success: state the region. Paths are relative to the file.`)
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
	return `stdout holds data and nothing else: the output of a block, a list, a schema, a report. Everything said beside it goes to
stderr: errors, warnings, which emulator is used, what an emulator receives.

--output (or SEGMENT_BLOCKS_OUTPUT, or output in the configuration file) chooses the format:

  text  for people
  json  one document; on one line unless stdout is a terminal
  yaml  the same document as YAML
  auto  the default: run and preview print text on a terminal and JSON elsewhere, since what reads them there is a
        program; all other commands print text

An error is text on stderr. With json or yaml chosen, not by auto, it is a document instead, the last thing on stderr:

  {"error":{"code":"invalid_input","message":"…","retryable":false,"violations":[{"path":"/event","code":"…","message":"…"}]}}

code, message, retryable and violations are always there; status, retryAfterSeconds, items and receipt where they apply.
Errors of the command line and the configuration have the same shape. What validate finds wrong, and what doctor
reports, is their result and goes to stdout.

Numbers are printed with the digits they came with. Write keys are never printed.`
}
