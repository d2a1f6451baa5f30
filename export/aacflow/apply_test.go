package aacflow_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/export/aacflow"
)

// TestEngines: the files of each form have the types of a fork of that form, and applying them
// again changes nothing.
func TestEngines(t *testing.T) {
	for _, engine := range aacflow.Engines() {
		t.Run(string(engine), func(t *testing.T) {
			reg := segmentBlocks(t)
			f := build(t, aacflow.Segment(), engine, reg)
			out, err := f.compile(t)
			require.NoError(t, err, out)
			require.Empty(t, f.apply(t, reg, aacflow.Segment(), engine), "it has all of it")

			files, err := aacflow.Native(reg, aacflow.Segment(), engine)
			require.NoError(t, err)
			for _, file := range files {
				if file.Path == "REGISTRY.md" {
					requireLines(t, f, string(file.Content))
				}
			}
		})
	}
}

// requireLines holds the page for people to what has been applied.
func requireLines(t *testing.T, f fork, page string) {
	t.Helper()
	var file string
	found := 0
	for section := range strings.SplitSeq(page, "\n## `") {
		name, rest, ok := strings.Cut(section, "`\n")
		if !ok || strings.HasPrefix(name, "#") {
			continue
		}
		content, err := os.ReadFile(filepath.Join(f.root, name))
		require.NoError(t, err)
		file = string(content)
		for i, block := range strings.Split(rest, "```") {
			if i%2 == 1 {
				require.Contains(t, file, strings.TrimPrefix(block, "ts\n"))
				found++
			}
		}
	}
	require.GreaterOrEqual(t, found, 5)
}

func TestApplyMendsAnEarlierVersion(t *testing.T) {
	reg := segmentBlocks(t)
	f := build(t, aacflow.Segment(), aacflow.Sim08, reg)
	registry := filepath.Join(f.root, "tools", "registry.ts")
	whole, err := os.ReadFile(registry)
	require.NoError(t, err)
	for _, line := range []string{"  segment_alias: segmentAliasTool,\n", "  segmentAliasTool,\n"} {
		require.Contains(t, string(whole), line)
		older := strings.Replace(string(whole), line, "", 1)
		require.NoError(t, os.WriteFile(registry, []byte(older), 0o600))
		require.Equal(t, []string{"tools/registry.ts"}, f.apply(t, reg, aacflow.Segment(), aacflow.Sim08))
		mended, err := os.ReadFile(registry)
		require.NoError(t, err)
		require.Equal(t, string(whole), string(mended))
	}
}

func TestApplyRefuses(t *testing.T) {
	reg := segmentBlocks(t)
	_, err := aacflow.Apply(reg, aacflow.Segment(), "sim-9", fstest.MapFS{})
	require.ErrorContains(t, err, `the engine must be one of ["sim-0.8" "sim-2026-05" "sim-2026-02"]: "sim-9"`)
	_, err = aacflow.Apply(reg, aacflow.Segment(), aacflow.Sim08, fstest.MapFS{})
	require.ErrorContains(t, err, "apply to a fork of the form sim-0.8: open tools/registry.ts")
	other := fstest.MapFS{"tools/registry.ts": {Data: []byte("import { a } from '@/tools/a'\n")}}
	_, err = aacflow.Apply(reg, aacflow.Segment(), aacflow.Sim08, other)
	require.ErrorContains(t, err, "tools/registry.ts: it has no object called tools")
	other["tools/registry.ts"].Data = nil
	_, err = aacflow.Apply(reg, aacflow.Segment(), aacflow.Sim08, other)
	require.ErrorContains(t, err, "it has no imports")
}

// TestApplyFindsTheRegistry: forks of June to August 2026 have the older form, and the newer place.
func TestApplyFindsTheRegistry(t *testing.T) {
	fork := fstest.MapFS{
		"tools/registry.ts": {Data: []byte("import { a } from '@/tools/a'\n\nexport const tools: T = {\n}\n")},
		"blocks/registry-maps.ts": {
			Data: []byte("import { A } from '@/blocks/blocks/a'\n\nconst BLOCK_REGISTRY: T = {\n  a: A,\n}\n"),
		},
		"components/icons.tsx": {Data: []byte("import type { SVGProps } from 'react'\n")},
	}
	a, err := aacflow.Apply(segmentBlocks(t), aacflow.Segment(), aacflow.Sim202605, fork)
	require.NoError(t, err)
	i := slices.IndexFunc(a.Changes, func(c aacflow.Change) bool { return c.Path == "blocks/registry-maps.ts" })
	require.Equal(t,
		"import { A } from '@/blocks/blocks/a'\nimport { SegmentBlock } from '@/blocks/blocks/segment'\n\n"+
			"const BLOCK_REGISTRY: T = {\n  a: A,\n  segment: SegmentBlock,\n}\n", string(a.Changes[i].Content))
}
