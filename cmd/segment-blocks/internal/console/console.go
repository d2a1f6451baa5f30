// Package console is what every command of segment-blocks shares: its streams, its output formats,
// its errors and exit codes, and how text fits a terminal.
package console

import (
	"io"
	"os"

	"github.com/spf13/pflag"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/settings"
)

// A Console connects a run of the command with the world outside.
type Console struct {
	Args           []string
	Environ        []string
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// ErrorFormat is the output format for errors. Until the configuration has been read it is the
	// one that the command line or the environment asks for.
	ErrorFormat string
}

// Process returns the console of this process.
func Process() *Console {
	return &Console{Args: os.Args[1:], Environ: os.Environ(), Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}
}

// AskedFormat returns the output format for errors that come before the configuration is read, such
// as those of the command line.
func (c *Console) AskedFormat() string {
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	flags.ParseErrorsAllowlist.UnknownFlags = true // those of the command
	flags.Usage = func() {}
	asked := flags.StringP("output", "o", c.Variable("SEGMENT_BLOCKS_OUTPUT"), "")
	_ = flags.Parse(c.Args) // the command itself reports what is wrong with them
	return *asked
}

// Variable returns the value of an environment variable, "" when it is not set.
func (c *Console) Variable(name string) string {
	return settings.Getenv(c.Environ, name)
}
