package shipping

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/stretchr/testify/require"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

func TestWorkerDockerfile(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(root, "workflow", "temporal", "Dockerfile"))
	require.NoError(t, err)
	for _, target := range []string{"", "released"} {
		opt := options(target, "arm64", nil)
		opt.AllStages = true
		opt.Warn = func(rule, _, _, message string, _ []parser.Range) { t.Errorf("%s: %s", rule, message) }
		result, err := dockerfile2llb.Dockerfile2LLB(t.Context(), data, opt)
		require.NoError(t, err)
		require.Equal(t, []string{"/usr/local/bin/segment-blocks-worker"}, result.Image.Config.Entrypoint)
		require.Equal(t, []string{"serve"}, result.Image.Config.Cmd)
		require.Equal(t, "65532:65532", result.Image.Config.User)
	}
}

func TestWorkerContextCompiles(t *testing.T) {
	context := contextOf(t, filepath.Join("workflow", "temporal", "Dockerfile.dockerignore"))
	build := exec.CommandContext(t.Context(), "go", "build", "-o", os.DevNull, "./cmd/segment-blocks-worker")
	build.Dir = filepath.Join(context, "workflow", "temporal")
	build.Env = append(os.Environ(), "GOFLAGS=-buildvcs=false")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

func TestWorkerCompose(t *testing.T) {
	file := types.ConfigFile{Filename: "worker.compose.yaml"}
	project, err := compose(t, types.Mapping{"PROD_SEGMENT_WRITE_KEY": "a-write-key"}, file)
	require.NoError(t, err)
	worker, err := project.GetService("worker")
	require.NoError(t, err)
	require.Equal(t, "temporal:7233", *worker.Environment["TEMPORAL_ADDRESS"])
	require.Equal(t, "a-write-key", *worker.Environment["PROD_SEGMENT_WRITE_KEY"])
	require.Equal(t, []string{"ALL"}, worker.CapDrop)
	require.FileExists(t, worker.Volumes[0].Source)
	for _, port := range project.Services["temporal"].Ports {
		require.Equal(t, "127.0.0.1", port.HostIP)
	}
	file = types.ConfigFile{Filename: "worker.compose.yaml"}
	_, err = compose(t, types.Mapping{"PROD_SEGMENT_WRITE_KEY": ""}, file)
	require.ErrorContains(t, err, "is the write key of the source prod")
}

// The manifest is read strictly into the types of Kubernetes, so unknown members are errors.
func TestWorkerOnKubernetes(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(root, "examples", "kubernetes", "worker.yaml"))
	require.NoError(t, err)
	documents := strings.Split(string(data), "\n---\n")
	require.Len(t, documents, 2)
	var config core.ConfigMap
	require.NoError(t, yaml.UnmarshalStrict([]byte(documents[0]), &config))
	var deployment apps.Deployment
	require.NoError(t, yaml.UnmarshalStrict([]byte(documents[1]), &deployment))
	require.Error(t, yaml.UnmarshalStrict(bytes.Replace(data, []byte("replicas"), []byte("replica"), 1), &deployment))

	pod := deployment.Spec.Template
	require.Equal(t, deployment.Spec.Selector.MatchLabels, pod.Labels)
	worker := pod.Spec.Containers[0]
	require.Equal(t, config.Name, pod.Spec.Volumes[0].ConfigMap.Name)
	require.Equal(t, pod.Spec.Volumes[0].Name, worker.VolumeMounts[0].Name)
	require.Contains(t, worker.Args, "--config="+worker.VolumeMounts[0].MountPath+"/segment-blocks.yaml")
	require.Contains(t, config.Data, "segment-blocks.yaml")
	require.Equal(t, worker.Ports[0].Name, worker.LivenessProbe.HTTPGet.Port.StrVal)
	var names []string
	for _, variable := range worker.Env {
		names = append(names, variable.Name)
	}
	require.Contains(t, names, "PROD_SEGMENT_WRITE_KEY")
	require.Contains(t, config.Data["segment-blocks.yaml"], "writeKeyEnv: PROD_SEGMENT_WRITE_KEY")
}
