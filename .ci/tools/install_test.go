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

const ourModule = "github.com/aacflow/segment-blocks"

// For `go install …@v1.2.3`, a tag must be enough. The test lays out this module like a module
// proxy, with the files that git tracks. It fails for a replace in go.mod, for a needed file that
// Go leaves out of a module's zip, and for a file that is embedded from a nested module. The
// worker's module follows, as CONTRIBUTING.md describes.
func TestInstallFromAProxy(t *testing.T) {
	// The version is new in every run, because Go's module cache keeps every version.
	version := fmt.Sprintf("v1.2.3-test.%d", time.Now().UnixNano())
	list, err := exec.CommandContext(t.Context(), "git", "-C", root, "ls-files", "-z").Output()
	require.NoError(t, err)
	source, proxy, bin := t.TempDir(), t.TempDir(), t.TempDir()
	for name := range strings.SplitSeq(strings.TrimSuffix(string(list), "\x00"), "\x00") {
		data, err := os.ReadFile(filepath.Join(root, name))
		if os.IsNotExist(err) {
			continue // it is about to be removed
		}
		require.NoError(t, err)
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(source, name)), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(source, name), data, 0o600))
	}
	// Other modules come from the machine's cache, or from the usual proxy.
	env, err := exec.CommandContext(t.Context(), "go", "env", "GOMODCACHE", "GOPROXY").Output()
	require.NoError(t, err)
	cache, usual, _ := strings.Cut(strings.TrimSpace(string(env)), "\n")
	run := func(folder, name string, args ...string) string {
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Dir = folder
		cmd.Env = append(os.Environ(), "GOBIN="+bin, "GOFLAGS=-modcacherw", "GOWORK=off", "GONOSUMDB="+ourModule,
			"GOPROXY=file://"+filepath.ToSlash(proxy)+","+usual)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		return string(out)
	}

	publish(t, proxy, cache, module.Version{Path: ourModule, Version: version}, source)
	run(bin, "go", "install", ourModule+"/cmd/segment-blocks@"+version)
	require.Equal(t, "segment-blocks "+version+" "+runtime.Version()+" "+runtime.GOOS+"/"+runtime.GOARCH+"\n",
		run(bin, filepath.Join(bin, "segment-blocks"), "version"))

	worker := filepath.Join(source, "workflow", "temporal")
	run(worker, "go", "get", ourModule+"@"+version)
	run(worker, "go", "mod", "tidy")
	publish(t, proxy, cache, module.Version{Path: ourModule + "/workflow/temporal", Version: version}, worker)
	run(bin, "go", "install", ourModule+"/workflow/temporal/cmd/segment-blocks-worker@"+version)
	require.Equal(t, "segment-blocks-worker version "+version+"\n",
		run(bin, filepath.Join(bin, "segment-blocks-worker"), "--version"))
}

// publish lays out a module like a module proxy. At the end of the test, it removes the module from
// the machine's cache.
func publish(t *testing.T, proxy, cache string, tag module.Version, source string) {
	t.Helper()
	folder := filepath.Join(proxy, filepath.FromSlash(tag.Path), "@v")
	require.NoError(t, os.MkdirAll(folder, 0o700))
	file, err := os.Create(filepath.Join(folder, tag.Version+".zip"))
	require.NoError(t, err)
	require.NoError(t, zip.CreateFromDir(file, tag, source))
	require.NoError(t, file.Close())
	gomod, err := os.ReadFile(filepath.Join(source, "go.mod"))
	require.NoError(t, err)
	info, err := json.Marshal(map[string]any{
		"Version": tag.Version, "Time": time.Date(2026, 1, 31, 9, 30, 0, 0, time.UTC),
	})
	require.NoError(t, err)
	for name, content := range map[string][]byte{
		tag.Version + ".mod": gomod, tag.Version + ".info": info, "list": []byte(tag.Version + "\n"),
	} {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), content, 0o600))
	}
	t.Cleanup(func() {
		kept, err := filepath.Glob(filepath.Join(cache, "cache", "download", filepath.FromSlash(tag.Path), "@v",
			tag.Version+".*"))
		require.NoError(t, err)
		for _, path := range append(kept, filepath.Join(cache, filepath.FromSlash(tag.Path)+"@"+tag.Version)) {
			require.NoError(t, os.RemoveAll(path))
		}
	})
}
