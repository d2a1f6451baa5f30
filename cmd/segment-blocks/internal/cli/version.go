package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// A release build sets these with -ldflags "-X …/internal/cli.version=v1.2.3", the only way the linker has. Any other build knows
// itself from what the Go toolchain recorded.
var version, commit, date string

// build says what this program was built from.
type build struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Date     string `json:"date,omitempty"`
	Modified bool   `json:"modified"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func newVersion(p *Program) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version and what it was built from",
		Long:  "Print the version of this program, the commit and date it was built from, and the Go version that built it.",
		Example: `  segment-blocks version
  segment-blocks version --output json`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := p.load(cmd)
			if err != nil {
				return err
			}
			b := readBuild()
			if format := p.format(s.Output, false); format != "text" {
				return p.write(format, b)
			}
			writeln(p.stdout, b.String())
			return nil
		},
	}
}

// String is the line that both version and --version print.
func (b build) String() string {
	var origin string
	if b.Commit != "" {
		origin = fmt.Sprintf(" (%.12s", b.Commit)
		if b.Modified {
			origin += ", modified"
		}
		if b.Date != "" {
			origin += ", " + b.Date
		}
		origin += ")"
	}
	return fmt.Sprintf("segment-blocks %s%s %s %s", b.Version, origin, b.Go, b.Platform)
}

func readBuild() build {
	b := build{Version: version, Commit: commit, Date: date, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	if b.Version == "" {
		b.Version = info.Main.Version
	}
	for _, setting := range info.Settings {
		switch {
		case setting.Key == "vcs.revision" && b.Commit == "":
			b.Commit = setting.Value
		case setting.Key == "vcs.time" && b.Date == "":
			b.Date = setting.Value
		case setting.Key == "vcs.modified" && version == "":
			b.Modified = setting.Value == "true"
		}
	}
	if b.Version == "" || b.Version == "(devel)" {
		b.Version = "dev"
	}
	return b
}
