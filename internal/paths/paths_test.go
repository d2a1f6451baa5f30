package paths_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/internal/paths"
)

func TestSame(t *testing.T) {
	t.Chdir(t.TempDir())
	require.NoError(t, os.Mkdir("folder", 0o700))
	require.NoError(t, os.WriteFile("file", nil, 0o600))
	for link, to := range map[string]string{"link": "folder", "later": "folder/new", "round": "round"} {
		if err := os.Symlink(to, link); err != nil {
			t.Skip("no symbolic links here: ", err)
		}
	}
	require.True(t, paths.Same("file", "./folder/../file"))
	require.True(t, paths.Same("link/new", "folder/new"), "neither exists")
	require.True(t, paths.Same("later", "folder/new"), "a link to a file that does not exist")
	require.False(t, paths.Same("file", "folder/file"))
	require.False(t, paths.Same("", ""))
	require.False(t, paths.Same("round", "file"), "a link to itself ends")
	require.True(t, filepath.IsAbs(paths.Resolve("missing/too")))
}
