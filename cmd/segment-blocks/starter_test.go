package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What blocks new writes compiles and passes its test in a module that has this one.
func TestNewBlockPassesItsTest(t *testing.T) {
	root, err := filepath.Abs(filepath.Join("..", ".."))
	require.NoError(t, err)
	dir := t.TempDir()
	ours, err := os.ReadFile(filepath.Join(root, "go.mod"))
	require.NoError(t, err)
	_, requirements, ok := strings.Cut(string(ours), "\n")
	require.True(t, ok)
	const path = "github.com/aacflow/segment-blocks"
	requirements += "\nrequire " + path + " v0.0.0\nreplace " + path + " => " + root + "\n"
	mod := "module example.com/blocks\n" + requirements
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte(mod), 0o600))
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.sum"), sums, 0o600))

	cmd := command(t, "blocks", "new", "acme_notify")
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	for _, args := range [][]string{{"vet", "./..."}, {"test", "./..."}} {
		tool := exec.Command("go", args...)
		tool.Dir, tool.Env = dir, append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off")
		out, err := tool.CombinedOutput()
		require.NoError(t, err, "go %v: %s", args, out)
	}
}
