package sources_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/sources"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

func TestLoad(t *testing.T) {
	file := filepath.Join(t.TempDir(), "segment-blocks.yaml")
	require.NoError(t, os.WriteFile(file, []byte(`
defaultSource: prod
sources:
  dev: {writeKeyEnv: DEV_KEY, endpoint: "http://127.0.0.1:4010"}
  prod: {writeKeyEnv: PROD_KEY, region: eu}
`), 0o600))
	environ := []string{"PROD_KEY=theWriteKeyOfProduction"}

	_, _, err := sources.Load(file, environ, nil)
	require.ErrorContains(t, err, `source "dev" has no write key: the environment variable DEV_KEY is not set`)
	_, _, err = sources.Load(file, environ, []string{"prd"})
	require.ErrorContains(t, err, `there are dev, prod: "prd"`)

	found, _, err := sources.Load(file, environ, []string{"prod"})
	require.NoError(t, err)
	require.Len(t, found, 1)
	require.Equal(t, tracking.WriteKey("theWriteKeyOfProduction"), found[0].WriteKey)
	require.Equal(t, tracking.EU, found[0].Region)

	found, _, err = sources.Load(file, append(environ, "DEV_KEY=theWriteKeyOfDevelopment"), nil)
	require.NoError(t, err)
	require.Equal(t, "prod", found[0].Name, "the default source comes first")
	require.Equal(t, "http://127.0.0.1:4010", found[1].Endpoint)
}

func TestLoadNothing(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("HOME", t.TempDir())
	t.Setenv("XDG_CONFIG_HOME", "")
	_, _, err := sources.Load("", nil, nil)
	require.ErrorContains(t, err, "no source is configured: set SEGMENT_WRITE_KEY")
}
