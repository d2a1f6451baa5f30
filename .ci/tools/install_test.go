package shipping

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"
)

// A tag is all that `go install …@v1.2.3` needs: this module is put where a proxy would have it,
// with the files that git knows. A replace in go.mod, a file that Go leaves out of a module's zip
// or one that is embedded from a nested module would not get through.
func TestInstallFromAProxy(t *testing.T) {
	// No other run has this version, because Go's cache of modules keeps what it has once got.
	tag := module.Version{Path: "github.com/aacflow/segment-blocks", Version: fmt.Sprintf("v1.2.3-test.%d", time.Now().UnixNano())}
	list, err := exec.CommandContext(t.Context(), "git", "-C", root, "ls-files", "-z").Output()
	require.NoError(t, err)
	source, proxy := t.TempDir(), filepath.Join(t.TempDir(), filepath.FromSlash(tag.Path), "@v")
	for name := range strings.SplitSeq(strings.TrimSuffix(string(list), "\x00"), "\x00") {
		data, err := os.ReadFile(filepath.Join(root, name))
		if os.IsNotExist(err) {
			continue // it is about to be removed
		}
		require.NoError(t, err)
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(source, name)), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(source, name), data, 0o600))
	}
	require.NoError(t, os.MkdirAll(proxy, 0o700))
	file, err := os.Create(filepath.Join(proxy, tag.Version+".zip"))
	require.NoError(t, err)
	require.NoError(t, zip.CreateFromDir(file, tag, source))
	require.NoError(t, file.Close())
	gomod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	require.NoError(t, err)
	info, err := json.Marshal(map[string]any{"Version": tag.Version, "Time": time.Date(2026, 1, 31, 9, 30, 0, 0, time.UTC)})
	require.NoError(t, err)
	for name, content := range map[string][]byte{
		tag.Version + ".mod": gomod, tag.Version + ".info": info, "list": []byte(tag.Version + "\n"),
	} {
		require.NoError(t, os.WriteFile(filepath.Join(proxy, name), content, 0o600))
	}

	// Other modules come from the machine's cache, or from where they come otherwise.
	env, err := exec.CommandContext(t.Context(), "go", "env", "GOMODCACHE", "GOPROXY").Output()
	require.NoError(t, err)
	cache, usual, _ := strings.Cut(strings.TrimSpace(string(env)), "\n")
	t.Cleanup(func() {
		kept, err := filepath.Glob(filepath.Join(cache, "cache", "download", filepath.FromSlash(tag.Path), "@v", tag.Version+".*"))
		require.NoError(t, err)
		for _, path := range append(kept, filepath.Join(cache, filepath.FromSlash(tag.Path)+"@"+tag.Version)) {
			require.NoError(t, os.RemoveAll(path))
		}
	})
	served := strings.TrimSuffix(proxy, filepath.Join(filepath.FromSlash(tag.Path), "@v"))
	bin := t.TempDir()
	install := exec.CommandContext(t.Context(), "go", "install", tag.Path+"/cmd/segment-blocks@"+tag.Version)
	install.Dir = bin
	install.Env = append(os.Environ(), "GOBIN="+bin, "GOFLAGS=-modcacherw", "GOWORK=off", "GONOSUMDB="+tag.Path,
		"GOPROXY=file://"+filepath.ToSlash(served)+","+usual)
	out, err := install.CombinedOutput()
	require.NoError(t, err, "%s", out)

	version := exec.CommandContext(t.Context(), filepath.Join(bin, "segment-blocks"), "version")
	out, err = version.Output()
	require.NoError(t, err)
	require.Equal(t, "segment-blocks "+tag.Version+" "+runtime.Version()+" "+runtime.GOOS+"/"+runtime.GOARCH+"\n", string(out))
}
