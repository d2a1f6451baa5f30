package main

import (
	"context"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The sh blocks of docs/temporal.md form one script. It runs on its own ports.
func TestGuide(t *testing.T) {
	t.Parallel()
	needTemporal(t)
	bin := t.TempDir()
	for _, command := range []string{".", "github.com/aacflow/segment-blocks/cmd/segment-blocks"} {
		out, err := exec.CommandContext(t.Context(), "go", "build", "-o", bin, command).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	guide, err := os.ReadFile("../../../../docs/temporal.md")
	require.NoError(t, err)
	script := "set -eu\ntrap 'kill $(jobs -p); wait' EXIT\n"
	for _, m := range regexp.MustCompile("(?ms)^```sh\n(.*?)^```$").FindAllStringSubmatch(string(guide), -1) {
		script += m[1]
	}
	temporal, emulator := freePort(t), freePort(t)
	script = strings.NewReplacer(
		"start-dev", "start-dev --headless --port "+temporal,
		"segment-blocks emulator", "segment-blocks emulator --addr 127.0.0.1:"+emulator,
		":4010", ":"+emulator,
	).Replace(script)
	// A reader takes a moment between one command and the next.
	script = strings.Replace(script, "segment-blocks-worker serve",
		"until temporal operator namespace describe default; do sleep 0.2; done >&2; segment-blocks-worker serve", 1)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", script)
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(),
		"PATH="+bin+":"+os.Getenv("PATH"), "HOME="+cmd.Dir, "TEMPORAL_ADDRESS=127.0.0.1:"+temporal)
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), `"status":"succeeded"`)
}
