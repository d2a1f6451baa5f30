// Package guides runs what the guides in docs tell a reader to type, and compares what they show
// with what comes.
package guides

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/serve/rest"
)

// root is the repository, as seen from the folder of this test.
const root = "../.."

// fence is one fenced block of a guide.
type fence struct{ language, text string }

var fences = regexp.MustCompile("(?ms)^```([a-z]*)\n(.*?)^```$")

func read(t *testing.T, guide string) []fence {
	data, err := os.ReadFile(filepath.Join(root, "docs", guide))
	require.NoError(t, err)
	require.Zero(t, strings.Count(string(data), "```")%2, "a fence is not closed")
	var out []fence
	for _, m := range fences.FindAllStringSubmatch(string(data), -1) {
		require.NotEmpty(t, m[1], "a fence must name its language: %s", m[2])
		out = append(out, fence{m[1], m[2]})
	}
	return out
}

// guides lists the files of docs whose commands and Go code the tests run.
func guides() []string {
	return []string{
		"rest.md", "mcp.md", "embedding.md", "aacflow.md", "delivery.md", "import.md", "workflows.md",
	}
}

// The sh blocks of a guide are one script, run by bash in the guide's order. A json block that
// comes next after one of them is what it prints, or a part of that.
func TestCommands(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("there is no bash")
	}
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("there is no curl")
	}
	bin := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-o", bin, "./cmd/segment-blocks")
	build.Dir = root
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)

	for _, guide := range guides() {
		t.Run(guide, func(t *testing.T) {
			t.Parallel()
			blocks := read(t, guide)
			script, shown := scriptOf(t, blocks)
			require.NotEmpty(t, shown, "a guide without a command")
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, bash, "-c", script)
			cmd.Dir, cmd.Env = t.TempDir(), environment(t, bin)
			if guide == "embedding.md" {
				cmd.Dir = root // it runs the examples
			}
			cmd.WaitDelay = 5 * time.Second
			var stderr strings.Builder
			cmd.Stderr = &stderr
			stdout, err := cmd.Output()
			require.NoError(t, err, "%s\n%s", stdout, stderr.String())
			parts := strings.Split(string(stdout), separator+"\n")[1:]
			require.Len(t, parts, len(shown), "%s", stdout)
			for i, want := range shown {
				if want != "" {
					requireShown(t, want, parts[i])
				}
			}
		})
	}
}

const separator = "==== the next block ===="

// scriptOf also returns what the guide shows of the output of each sh block, or "".
func scriptOf(t *testing.T, blocks []fence) (script string, shown []string) {
	serve, emulator := freePort(t), freePort(t)
	var b strings.Builder
	b.WriteString("set -euo pipefail\n" +
		"finish() { trap - EXIT; kill $(jobs -p) 2>/dev/null || true; wait; }\ntrap finish EXIT\n" +
		"await() { for _ in $(seq 200); do curl -s -o /dev/null \"$1\" && return; sleep 0.05; done; echo \"$1 does " +
		"not answer\" >&2; exit 1; }\n")
	for i, block := range blocks {
		if block.language != "sh" {
			continue
		}
		fmt.Fprintf(&b, "echo '%s'\n", separator)
		for line := range strings.Lines(block.text) {
			if !strings.Contains(line, "--addr") {
				line = strings.Replace(line, "segment-blocks serve", "segment-blocks serve --addr 127.0.0.1:8787", 1)
			}
			switch background := strings.HasSuffix(line, "&\n"); {
			case background && strings.Contains(line, "segment-blocks serve"):
				line = strings.TrimSuffix(line, "&\n") + ">/dev/null &\nawait http://127.0.0.1:8787/readyz\n"
			case background && strings.Contains(line, "segment-blocks emulator"):
				line = strings.Replace(line, "segment-blocks emulator",
					"segment-blocks emulator --addr 127.0.0.1:4010 >/dev/null",
					1) +
					"await http://127.0.0.1:4010/emulator/v1/events\n"
			}
			line = strings.ReplaceAll(line, ":8787", ":"+serve)
			b.WriteString(strings.ReplaceAll(line, ":4010", ":"+emulator))
		}
		want := ""
		if i+1 < len(blocks) && blocks[i+1].language == "json" {
			want = blocks[i+1].text
		}
		shown = append(shown, want)
	}
	return b.String(), shown
}

// environment has no setting of the one who runs the test, and keeps Go's caches.
func environment(t *testing.T, bin string) []string {
	home := t.TempDir()
	env := []string{
		"PATH=" + bin + string(os.PathListSeparator) + os.Getenv("PATH"), "HOME=" + home,
		"XDG_CONFIG_HOME=" + home,
	}
	for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPATH", "GOFLAGS", "GOTOOLCHAIN"} {
		value, err := exec.CommandContext(t.Context(), "go", "env", name).Output()
		require.NoError(t, err)
		env = append(env, name+"="+strings.TrimSpace(string(value)))
	}
	return env
}

func freePort(t *testing.T) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	_, port, err := net.SplitHostPort(ln.Addr().String())
	require.NoError(t, err)
	return port
}

// requireShown demands that the output has all that is shown: objects may have more members, and …
// in a text stands for any text.
func requireShown(t *testing.T, want, output string) {
	var shown, got any
	require.NoError(t, json.Unmarshal([]byte(want), &shown), "%s", want)
	require.NoError(t, json.NewDecoder(strings.NewReader(output)).Decode(&got), "%s", output)
	require.True(t, contains(shown, got), "the guide shows\n%s\nand this came\n%s", want, output)
}

func contains(want, got any) bool {
	switch want := want.(type) {
	case map[string]any:
		got, ok := got.(map[string]any)
		for name, value := range want {
			ok = ok && contains(value, got[name])
		}
		return ok
	case []any:
		got, ok := got.([]any)
		if !ok || len(want) != len(got) {
			return false
		}
		for i := range want {
			if !contains(want[i], got[i]) {
				return false
			}
		}
		return true
	case string:
		got, ok := got.(string)
		before, after, cut := strings.Cut(want, "…")
		return ok && (want == got || cut && strings.HasPrefix(got, before) && strings.HasSuffix(got, after))
	}
	return want == got
}

// The Go in the guides is taken from files that are compiled and tested.
func TestGoIsCompiled(t *testing.T) {
	var code strings.Builder
	for _, pattern := range []string{"docs/guides_test/*.go", "examples/*/*.go", "segment/*_test.go"} {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		require.NoError(t, err)
		require.NotEmpty(t, files)
		for _, file := range files {
			data, err := os.ReadFile(file)
			require.NoError(t, err)
			code.WriteString(unindented(string(data)))
		}
	}
	for _, guide := range guides() {
		for _, block := range read(t, guide) {
			if block.language == "go" {
				require.Contains(t, code.String(), unindented(block.text), "%s shows Go that is in no file", guide)
			}
		}
	}
}

func unindented(code string) string {
	var b strings.Builder
	for line := range strings.Lines(code) {
		if line = strings.TrimSpace(line); line != "" {
			b.WriteString(line + "\n")
		}
	}
	return b.String()
}

// The table of statuses in docs/rest.md is what GET /v1/errors answers.
func TestStatusTable(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(root, "docs", "rest.md"))
	require.NoError(t, err)
	_, table, ok := strings.Cut(string(data), "| Code | Status | Sent |\n| ---- | ------ | ---- |\n")
	require.True(t, ok)
	table, _, _ = strings.Cut(table, "\n\n")
	var want []string
	for _, e := range rest.Errors() {
		want = append(want, fmt.Sprintf("| `%s` | %d | %s |", e.Code, e.Status, e.Sent))
	}
	require.Equal(t, strings.Join(want, "\n"), strings.TrimSpace(table))
}

func TestLinksLeadSomewhere(t *testing.T) {
	links := regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)
	for _, guide := range guides() {
		data, err := os.ReadFile(filepath.Join(root, "docs", guide))
		require.NoError(t, err)
		for _, m := range links.FindAllStringSubmatch(string(data), -1) {
			_, err := os.Stat(filepath.Join(root, "docs", m[1]))
			require.NoError(t, err, "%s links to %s", guide, m[1])
		}
	}
}
