// Package shipping reads the Dockerfile with the code of BuildKit, and the compose files with the
// code of Compose. Neither needs a container engine or builds an image, so these tests cannot show
// how an image behaves when it runs.
package shipping

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerui"
	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
	digest "github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/stretchr/testify/require"
)

// root is the repository, as seen from the folder of this test.
const root = "../.."

// noRegistry answers for every base image, so that nothing is fetched. Real base images may set
// other values, so the Dockerfile sets every value that matters.
type noRegistry struct{}

func (noRegistry) ResolveImageConfig(_ context.Context, ref string,
	opt sourceresolver.Opt,
) (string, digest.Digest, []byte, error) {
	config, err := json.Marshal(ocispecs.Image{Platform: *opt.ImageOpt.Platform})
	return ref, digest.FromString(ref), config, err
}

func options(target, arch string, args map[string]string) dockerfile2llb.ConvertOpt {
	platform := ocispecs.Platform{OS: "linux", Architecture: arch}
	builder := ocispecs.Platform{OS: "linux", Architecture: "amd64"}
	return dockerfile2llb.ConvertOpt{
		Config: dockerui.Config{
			Target: target, BuildArgs: args,
			BuildPlatforms: []ocispecs.Platform{builder}, TargetPlatforms: []ocispecs.Platform{platform},
			MultiPlatformRequested: true,
		},
		TargetPlatform: &platform,
		MetaResolver:   noRegistry{},
	}
}

func dockerfile(t *testing.T) []byte {
	data, err := os.ReadFile(filepath.Join(root, "Dockerfile"))
	require.NoError(t, err)
	return data
}

// These are the rules of `docker build --check`.
func TestDockerfileHasNoWarnings(t *testing.T) {
	data := dockerfile(t)
	lint := func(data []byte) (found []string) {
		opt := options("", "arm64", nil)
		opt.AllStages = true
		opt.Warn = func(rule, _, _, message string, _ []parser.Range) { found = append(found, rule+": "+message) }
		_, err := dockerfile2llb.Dockerfile2LLB(t.Context(), data, opt)
		require.NoError(t, err)
		return found
	}
	require.Empty(t, lint(data))
	require.NotEmpty(t, lint([]byte("from scratch AS base\nCMD serve\n")),
		"the linter finds nothing in a bad file either")
}

// A compiled image and a released image differ only in the source of the binary.
func TestImage(t *testing.T) {
	args := map[string]string{"VERSION": "v1.2.3", "COMMIT": "0123456789abcdef", "DATE": "2026-01-02T03:04:05Z"}
	for _, target := range []string{"", "released"} {
		for _, arch := range []string{"amd64", "arm64"} {
			t.Run(target+arch, func(t *testing.T) {
				result, err := dockerfile2llb.Dockerfile2LLB(t.Context(), dockerfile(t), options(target, arch, args))
				require.NoError(t, err)
				require.Equal(t, arch, result.Image.Architecture)
				config := result.Image.Config
				require.Equal(t, []string{"/usr/local/bin/segment-blocks"}, config.Entrypoint)
				require.Equal(t, []string{"serve", "--addr", "0.0.0.0:8787"}, config.Cmd)
				require.Equal(t, "65532:65532", config.User)
				require.Contains(t, config.ExposedPorts, "8787/tcp")
				require.Equal(t, "Apache-2.0", config.Labels["org.opencontainers.image.licenses"])
				if target == "" {
					require.Equal(t, args["VERSION"], config.Labels["org.opencontainers.image.version"])
				}
				definition, err := result.State.Marshal(t.Context())
				require.NoError(t, err)
				var steps strings.Builder
				for _, step := range definition.Def {
					steps.Write(step)
				}
				// Only the compiled image needs the compiler, which runs on the build machine.
				require.Equal(t, target == "", strings.Contains(steps.String(), "go build -trimpath"))
				require.Equal(t, target == "",
					strings.Contains(steps.String(), "GOARCH="+arch) ||
						strings.Contains(steps.String(), "TARGETARCH="+arch))
				if target == "released" {
					require.Contains(t, steps.String(), "/linux/"+arch+"/segment-blocks")
				}
			})
		}
	}
}

// The files that .dockerignore lets through are enough to compile the command.
func TestContextCompiles(t *testing.T) {
	build := exec.CommandContext(t.Context(), "go", "build", "-o", os.DevNull, "./cmd/segment-blocks")
	build.Dir = contextOf(t, ".dockerignore")
	build.Env = append(os.Environ(), "GOFLAGS=-buildvcs=false")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// contextOf returns a folder with the files that a file of patterns lets through. They must not
// include secrets or files that others have built.
func contextOf(t *testing.T, dockerignore string) string {
	file, err := os.Open(filepath.Join(root, dockerignore))
	require.NoError(t, err)
	defer file.Close()
	patterns, err := ignorefile.ReadAll(file)
	require.NoError(t, err)
	ignored, err := patternmatcher.New(patterns)
	require.NoError(t, err)
	for _, file := range []string{
		".env", ".git/config", "segment-blocks.yaml", "segment-blocks.token", "secrets/key",
		"dist/x", "bin/x", "blocks/x_test.go",
	} {
		out, err := ignored.MatchesOrParentMatches(file)
		require.NoError(t, err)
		require.True(t, out, "this does not belong into an image's context: %s", file)
	}
	context := t.TempDir()
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		require.NoError(t, err)
		if d.IsDir() {
			if d.Name() == ".git" || d.Name() == "node_modules" {
				return filepath.SkipDir
			}
			return nil
		}
		out, err := ignored.MatchesOrParentMatches(rel)
		if out || err != nil {
			return err
		}
		return duplicate(path, filepath.Join(context, rel))
	})
	require.NoError(t, err)
	return context
}

func duplicate(from, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

const (
	ours    = "segment-blocks.compose.yaml"
	overlay = "sim.compose.yaml"
)

// compose loads the files as `docker compose -f … config` does.
func compose(t *testing.T, environment types.Mapping, files ...types.ConfigFile) (*types.Project, error) {
	folder, err := filepath.Abs(filepath.Join(root, "examples", "compose"))
	require.NoError(t, err)
	for i := range files {
		if files[i].Content == nil {
			files[i].Filename = filepath.Join(folder, files[i].Filename)
		}
	}
	return loader.LoadWithContext(t.Context(),
		types.ConfigDetails{WorkingDir: folder, ConfigFiles: files, Environment: environment},
		func(o *loader.Options) { o.SetProjectName("test", true) })
}

// sim has the shape of Sim's own compose file.
func sim(service string) types.ConfigFile {
	return types.ConfigFile{Filename: "docker-compose.prod.yml", Content: []byte(`
services:
  ` + service + `:
    image: sim
    environment:
      - DATABASE_URL=postgresql://db
    depends_on: {db: {condition: service_started}}
  db:
    image: postgres
`)}
}

func TestComposeAlone(t *testing.T) {
	project, err := compose(t, types.Mapping{"PROD_SEGMENT_WRITE_KEY": "a-write-key"}, types.ConfigFile{Filename: ours})
	require.NoError(t, err)
	service, err := project.GetService("segment-blocks")
	require.NoError(t, err)
	require.True(t, service.ReadOnly)
	require.Equal(t, []string{"ALL"}, service.CapDrop)
	require.Equal(t, []string{"no-new-privileges:true"}, service.SecurityOpt)
	require.Equal(t, "65532:65532", service.User)
	require.Equal(t, "127.0.0.1", service.Ports[0].HostIP)
	require.Equal(t, "a-write-key", *service.Environment["PROD_SEGMENT_WRITE_KEY"])
	require.FileExists(t, service.Volumes[0].Source)

	_, err = compose(t, nil, types.ConfigFile{Filename: ours})
	require.ErrorContains(t, err, "PROD_SEGMENT_WRITE_KEY")
	require.ErrorContains(t, err, "is the write key of the source prod")
}

func TestComposeBesideSim(t *testing.T) {
	files := func(service string) []types.ConfigFile {
		return []types.ConfigFile{sim(service), {Filename: ours}, {Filename: overlay}}
	}
	for more, want := range map[string]string{
		"": "segment-blocks", "a.example.com,b": "segment-blocks,a.example.com,b",
	} {
		project, err := compose(t, types.Mapping{"PROD_SEGMENT_WRITE_KEY": "", "MORE_MCP_DOMAINS": more},
			files("simstudio")...)
		require.NoError(t, err)
		require.Len(t, project.Services, 3)
		app, err := project.GetService("simstudio")
		require.NoError(t, err)
		require.Equal(t, want, *app.Environment["ALLOWED_MCP_DOMAINS"])
		require.Equal(t, "postgresql://db", *app.Environment["DATABASE_URL"], "the values of Sim's own file stay")
		blocks, err := project.GetService("segment-blocks")
		require.NoError(t, err)
		for network := range app.Networks {
			require.Contains(t, blocks.Networks, network, "they must see each other")
		}
		require.NotEmpty(t, app.Networks)
	}
	_, err := compose(t, types.Mapping{"PROD_SEGMENT_WRITE_KEY": ""}, files("renamed")...)
	require.ErrorContains(t, err, `service "simstudio" has neither an image nor a build context`,
		"sim.compose.yaml quotes this")
}
