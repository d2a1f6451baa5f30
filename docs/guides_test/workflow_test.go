package guides

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/blocks"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/segment/emulator"
	"github.com/aacflow/segment-blocks/segment/tracking"
	"github.com/aacflow/segment-blocks/workflow"
)

func TestWorkflowFromGo(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(root, "examples", "order.workflow.yaml"))
	require.NoError(t, err)
	server, err := emulator.Start()
	require.NoError(t, err)
	defer func() { require.NoError(t, server.Close(context.Background())) }()
	reg := registry.New()
	blocks.MustRegister(reg)
	source := tracking.Source{WriteKey: "kQ3vT9xW2mZ7bN5cR8dL1fH6jP4sY0aE", Endpoint: server.URL}
	rt, err := runtime.New(reg, runtime.Source("test", source), runtime.WithConventions(workflow.Conventions()))
	require.NoError(t, err)
	require.NoError(t, runWorkflow(t.Context(), reg, rt, data, []byte(`{"userId":"u-7"}`)))
	require.Len(t, server.Events(emulator.Filter{UserID: "u-7"}), 3)
}

func runWorkflow(ctx context.Context, reg *registry.Registry, rt *runtime.Runtime, data, input []byte) error {
	graph, err := workflow.Check(ctx, "order.workflow.yaml", data, workflow.CheckOptions{Registry: reg, Runtime: rt})
	if err != nil {
		return err // *workflow.FileError lists all faults
	}
	res, err := workflow.Run(ctx, graph, input, workflow.Options{Invoke: workflow.Invoker(rt), RunID: "order-1001"})
	if err == nil && res.Status != workflow.Succeeded {
		return os.ErrInvalid
	}
	return err
}

// The workflow that the guide types is the one among the examples.
func TestWorkflowOfTheGuide(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(root, "examples", "order.workflow.yaml"))
	require.NoError(t, err)
	require.Contains(t, read(t, "workflows.md")[0].text, string(data))
}
