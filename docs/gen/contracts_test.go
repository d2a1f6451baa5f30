package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/blocks"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/schemas/contract"
)

// A published contract must not disappear, nor its block.
func TestPublishedBlocksAreStillThere(t *testing.T) {
	reg := registry.New()
	blocks.MustRegister(reg)
	folders, err := filepath.Glob(filepath.Join("..", "..", contractsFolder, "*"))
	require.NoError(t, err)
	require.NotEmpty(t, folders)
	for _, folder := range folders {
		_, ok := reg.Lookup(filepath.Base(folder))
		require.True(t, ok, "a published block is gone: %s", folder)
	}
}

func TestAChangeNeedsItsVersion(t *testing.T) {
	reg := registry.New()
	blocks.MustRegister(reg)
	track, _ := reg.Lookup("segment_track")
	list := []registry.Block{track}
	root := t.TempDir()
	publish := func(version, input string) {
		c := contract.Of(track.Manifest())
		c.Version, c.InputSchema = version, json.RawMessage(input)
		raw, err := json.Marshal(c)
		require.NoError(t, err)
		folder := filepath.Join(root, contractsFolder, c.ID)
		require.NoError(t, os.MkdirAll(folder, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(folder, version+".json"), raw, 0o644))
	}
	files, err := contracts(root, list)
	require.NoError(t, err)
	require.Contains(t, files, "schemas/contracts/segment_track/1.0.0.json")

	publish("0.9.0", `{}`)
	_, err = contracts(root, list)
	require.NoError(t, err, "a major version allows anything")
	publish("1.0.0", `{"type":"object","properties":{"extra":{}}}`)
	_, err = contracts(root, list)
	require.ErrorContains(t, err, "segment_track has changed since 1.0.0 and needs the version 2.0.0")
	require.ErrorContains(t, err, "input /extra: parameter gone")
	publish("1.0.0", string(contract.Of(track.Manifest()).InputSchema))
	publish("2.0.0", `{}`)
	_, err = contracts(root, list)
	require.NoError(t, err, "what version 2 promises does not bind version 1")
	broken := filepath.Join(root, contractsFolder, "segment_track", "1.0.0.json")
	require.NoError(t, os.WriteFile(broken, []byte("{"), 0o644))
	_, err = contracts(root, list)
	require.ErrorContains(t, err, "1.0.0.json")
}
