package guides

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Each sh block of the README works when it is pasted as it stands. What it says of ports and of
// journals is replaced, so that the test disturbs nothing.
func TestReadme(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("there is no bash")
	}
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("there is no curl")
	}
	bin, port := t.TempDir(), freePort(t)
	env := append(environment(t, bin), "GOBIN="+bin)
	replace := strings.NewReplacer(
		":8787", ":"+port, "segment-blocks serve", "segment-blocks serve --addr 127.0.0.1:"+port,
		"--run ", "--journals '"+t.TempDir()+"' --run ", "go test ./...", "",
	)
	data, err := os.ReadFile(filepath.Join(root, "README.md"))
	require.NoError(t, err)
	ran := 0
	for _, m := range fences.FindAllStringSubmatch(string(data), -1) {
		block := m[2]
		if m[1] != "sh" {
			continue
		}
		if before, _, asks := strings.Cut(block, "read "); asks {
			require.Equal(t, 1, strings.Count(strings.TrimPrefix(block, before), "\n"),
				"what follows read would be typed into it")
			continue
		}
		ran++
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, bash, "-c", "set -euo pipefail\n"+
			"trap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT\n"+
			replace.Replace(block))
		cmd.Dir, cmd.Env, cmd.WaitDelay = root, env, 5*time.Second
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s\n%s", block, out)
		require.NotEmpty(t, out, block)
	}
	require.Equal(t, 4, ran)
}
