package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestGeneratedFilesAreFresh(t *testing.T) {
	root := filepath.Join("..", "..")
	files, err := generate(root)
	require.NoError(t, err)
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(root, name))
		require.NoError(t, err)
		require.Equal(t, string(want), string(got), "%s is stale: run go generate ./docs/gen", name)
	}
	pages, err := filepath.Glob(filepath.Join(root, "docs", "blocks", "*.md"))
	require.NoError(t, err)
	for _, page := range pages {
		require.Contains(t, files, "docs/blocks/"+filepath.Base(page), "%s belongs to no block", page)
	}
}
