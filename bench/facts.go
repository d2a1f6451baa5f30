package main

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
)

// facts are what to know of the machine and the peers to read the numbers.
type facts struct {
	OS    string   `json:"os"`
	Arch  string   `json:"arch"`
	Cores int      `json:"cores"`
	CPU   string   `json:"cpu"`
	Go    string   `json:"go"`
	Peers []string `json:"peers"`
}

func factsOf(ctx context.Context, node string) facts {
	f := facts{
		OS: runtime.GOOS, Arch: runtime.GOARCH, Cores: runtime.GOMAXPROCS(0), CPU: cpuModel(),
		Go: runtime.Version(),
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, dep := range info.Deps {
			if slices.Contains(goPeers(), dep.Path) {
				f.Peers = append(f.Peers, dep.Path+" "+dep.Version)
			}
		}
	}
	if version := nodePackage(node); version != "" {
		f.Peers = append(f.Peers, "@segment/analytics-node "+version)
		if out, err := exec.CommandContext(ctx, "node", "--version").Output(); err == nil {
			f.Peers = append(f.Peers, "node "+strings.TrimSpace(string(out)))
		}
	}
	return f
}

func goPeers() []string {
	return []string{
		"github.com/santhosh-tekuri/jsonschema/v5", "github.com/tidwall/gjson", "gopkg.in/segmentio/analytics-go.v3",
	}
}

// cpuModel is what Linux calls the processor.
func cpuModel() string {
	data, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown processor"
	}
	for line := range strings.Lines(string(data)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown processor"
}

// nodePackage returns the version of the client for Node that is installed, or "".
func nodePackage(folder string) string {
	data, err := os.ReadFile(filepath.Join(folder, "node_modules", "@segment", "analytics-node", "package.json"))
	if err != nil {
		return ""
	}
	var manifest struct{ Version string }
	if err := json.Unmarshal(data, &manifest); err != nil {
		return ""
	}
	return manifest.Version
}
