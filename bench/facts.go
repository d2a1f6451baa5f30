package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
)

// facts describes the machine and the peers, without which the numbers mean little.
type facts struct {
	OS    string   `json:"os"`
	Arch  string   `json:"arch"`
	Cores int      `json:"cores"`
	CPU   string   `json:"cpu"`
	Go    string   `json:"go"`
	Load  string   `json:"load"` // the load averages that Linux reports
	Disk  string   `json:"disk"` // the disk that holds the stores
	Peers []string `json:"peers"`
}

func factsOf(ctx context.Context, node string) facts {
	f := facts{
		OS: runtime.GOOS, Arch: runtime.GOARCH, Cores: runtime.GOMAXPROCS(0), CPU: cpuModel(),
		Go: runtime.Version(), Load: loadNow(), Disk: diskOf(os.TempDir()),
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

// cpuModel returns the name of the processor, as Linux reports it.
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

// loadNow returns the load of the machine in the last 1, 5 and 15 minutes, as Linux reports it.
func loadNow() string {
	data, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Join(strings.Fields(string(data))[:3], " ")
}

// busy reports whether more tasks want to run than there are cores.
func (f facts) busy() bool {
	var load float64
	_, _ = fmt.Sscan(f.Load, &load)
	return load > float64(f.Cores)
}

// diskOf returns the type and the device of a folder's file system, as Linux reports them.
func diskOf(folder string) string {
	data, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return "unknown, stores are in " + folder
	}
	best, found := "", ""
	for _, line := range splitLines(data) {
		fields := strings.Fields(line)
		if len(fields) < 3 || len(fields[1]) < len(best) {
			continue
		}
		if strings.HasPrefix(folder+"/", strings.TrimSuffix(fields[1], "/")+"/") {
			best, found = fields[1], fields[2]+" on "+fields[0]
		}
	}
	return found + ", stores are in " + folder
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
