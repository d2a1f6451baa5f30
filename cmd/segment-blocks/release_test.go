package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"
)

// built compiles the command with these flags of the linker, and returns where it is.
func built(t *testing.T, ldflags string) string {
	binary := filepath.Join(t.TempDir(), "segment-blocks")
	if runtime.GOOS == "windows" {
		binary += ".exe"
	}
	out, err := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-ldflags", ldflags, "-o", binary,
		".").CombinedOutput()
	require.NoError(t, err, "%s", out)
	return binary
}

func readRoot(t *testing.T, name ...string) string {
	data, err := os.ReadFile(filepath.Join(append([]string{"..", ".."}, name...)...))
	require.NoError(t, err)
	return string(data)
}

// A release knows what it was built from. The linker passes over a variable that is not there
// without a word, so this takes the flags from the files that releases are made with.
func TestReleaseKnowsItself(t *testing.T) {
	var config struct {
		Builds []struct{ Ldflags []string }
	}
	require.NoError(t, yaml.Unmarshal([]byte(readRoot(t, ".goreleaser.yaml")), &config))
	flags := strings.Join(config.Builds[0].Ldflags, " ")
	flags = strings.NewReplacer("{{ .Version }}", "1.2.3", "{{ .FullCommit }}",
		"0123456789abcdef0123456789abcdef01234567",
		"{{ .CommitDate }}", "2026-01-02T03:04:05Z").Replace(flags)
	require.NotContains(t, flags, "{{")
	binary := built(t, flags)

	platform := runtime.GOOS + "/" + runtime.GOARCH
	line := "segment-blocks v1.2.3 (0123456789ab, 2026-01-02T03:04:05Z) " + runtime.Version() + " " + platform + "\n"
	for arguments, want := range map[string]string{
		"version":   line,
		"--version": line,
		"version --output json": `{"version":"v1.2.3","commit":"0123456789abcdef0123456789abcdef01234567",` +
			`"date":"2026-01-02T03:04:05Z",` +
			`"modified":false,"go":"` + runtime.Version() + `","platform":"` + platform + `"}` + "\n",
	} {
		cmd := exec.CommandContext(t.Context(), binary, strings.Fields(arguments)...)
		cmd.Env = []string{"HOME=" + t.TempDir()}
		out, err := cmd.Output()
		require.NoError(t, err)
		require.Equal(t, want, string(out), arguments)
	}

	variables := func(text string) (found []string) {
		for _, m := range regexp.MustCompile(`-X ([^\s=]+)=`).FindAllStringSubmatch(text, -1) {
			found = append(found, m[1])
		}
		slices.Sort(found)
		return found
	}
	require.Len(t, variables(flags), 3)
	require.Equal(t, variables(flags), variables(readRoot(t, "Dockerfile")), "the Dockerfile sets others")
}
