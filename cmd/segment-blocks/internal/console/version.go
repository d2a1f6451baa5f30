package console

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// A release build sets these with -ldflags "-X …/internal/console.version=v1.2.3", the only way to
// tell the linker. Any other build knows itself from what the Go toolchain recorded.
var version, commit, date string

// Build says what this program was built from, as the command version prints it with --output json.
type Build struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Date     string `json:"date,omitempty"`
	Modified bool   `json:"modified"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// String is the line that both version and --version print.
func (b Build) String() string {
	// Twelve digits are enough to find the commit by.
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

// ReadBuild returns what this program was built from. What the linker was told comes first: a
// release is built in a checkout whose state says less than its tag.
func ReadBuild() Build {
	b := Build{
		Version: version, Commit: commit, Date: date, Go: runtime.Version(),
		Platform: runtime.GOOS + "/" + runtime.GOARCH,
	}
	// Without modules, as in some build systems, there is no such record.
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
	// A build without version control, such as one from an archive, has none.
	if b.Version == "" || b.Version == "(devel)" {
		b.Version = "dev"
	}
	return b
}
