package aacflow_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/blocks"
	"github.com/aacflow/segment-blocks/export/aacflow"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/runtime/retry"
	"github.com/aacflow/segment-blocks/segment/emulator"
	"github.com/aacflow/segment-blocks/segment/tracking"
	"github.com/aacflow/segment-blocks/serve/guard"
	"github.com/aacflow/segment-blocks/serve/rest"
)

const (
	firstKey  = "kQ3vT9xW2mZ7bN5cR8dL1fH6jP4sY0aE"
	secondKey = "pL0mN9bV8cX7zA6sD5fG4hJ3kL2qW1eR"
	token     = "a-token-that-is-long-enough"
)

// examples is what is committed, and what the tests compile and run.
var examples = filepath.Join("..", "..", "examples", "aacflow")

func segmentBlocks(t *testing.T) *registry.Registry {
	t.Helper()
	reg := registry.New()
	require.NoError(t, blocks.Register(reg))
	return reg
}

// needNode skips a test whose client is not there, unless SEGMENT_BLOCKS_REQUIRE_CLIENTS=1 says
// that it must be.
func needNode(t testing.TB) string {
	t.Helper()
	node, err := exec.LookPath("node")
	if err == nil {
		_, err = os.Stat(filepath.Join("clients", "node_modules"))
	}
	if err != nil {
		const says = "needs node, and npm ci in export/aacflow/clients"
		if os.Getenv("SEGMENT_BLOCKS_REQUIRE_CLIENTS") == "1" {
			require.FailNow(t, says)
		}
		t.Skip(says)
	}
	return node
}

// fork is a stand-in for a fork of Sim to which the generated files have been added as their pages
// say, compiled.
type fork struct {
	node, root string
}

func build(t *testing.T, in aacflow.Integration, engine aacflow.Engine, reg *registry.Registry) fork {
	t.Helper()
	f := fork{needNode(t), t.TempDir()}
	require.NoError(t, os.CopyFS(f.root, os.DirFS(filepath.Join("clients", "fork"))))
	require.NoError(t, os.CopyFS(f.root, os.DirFS(filepath.Join("clients", "engines", string(engine)))))
	f.apply(t, reg, in, engine)
	if workflow, err := os.ReadFile(filepath.Join(examples+"-workflow", "segment_track.json")); err == nil {
		const head = "import type { WorkflowFile } from '@/lib/workflow-file'\n\nexport const file: WorkflowFile = "
		require.NoError(t, os.WriteFile(filepath.Join(f.root, "workflow.ts"), append([]byte(head), workflow...), 0o600))
	}
	return f
}

// apply adds the blocks to the fork, and returns the files that changed.
func (f fork) apply(t *testing.T, reg *registry.Registry, in aacflow.Integration, engine aacflow.Engine) []string {
	t.Helper()
	a, err := aacflow.Apply(reg, in, engine, os.DirFS(f.root))
	require.NoError(t, err)
	var changed []string
	for _, c := range a.Changes {
		path := filepath.Join(f.root, filepath.FromSlash(c.Path))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, c.Content, 0o600))
		changed = append(changed, c.Path)
	}
	return changed
}

// compile runs the TypeScript compiler in the fork and returns what it says.
func (f fork) compile(t *testing.T) (string, error) {
	t.Helper()
	tsc, err := filepath.Abs(filepath.Join("clients", "node_modules", "typescript", "bin", "tsc"))
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), f.node, tsc, "-p", f.root)
	cmd.Dir = f.root
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// call is one run of a canvas block: with values of its form or, where a model calls it, with
// parameters.
type call struct {
	Block   string            `json:"block"`
	Values  map[string]any    `json:"values"`
	Model   bool              `json:"model"`
	Context map[string]string `json:"context,omitempty"`
}

type result struct {
	Success bool
	Output  json.RawMessage
	Error   string
}

type declared struct {
	Type, Description, Visibility string
	Required                      bool
}

// said is what the client reports. Of the declarations it has what is data.
type said struct {
	Results []result
	Tools   map[string]struct {
		ID, Name, Description, Version, ErrorExtractor string
		Params, Outputs                                map[string]declared
	}
	Blocks map[string]struct {
		LongDescription    string
		CanvasPresentation struct {
			Sentences struct{ ByOperation map[string][]any }
		}
		SubBlocks       []subBlock
		Inputs, Outputs map[string]declared
		Tools           struct{ Access []string }
	}
	Metas map[string]struct {
		Tags      []string
		Templates []struct{ Prompt string }
		Skills    []struct{ Content string }
	}
}

type subBlock struct {
	ID, Type, Mode, Description, Placeholder string
	Password                                 bool
	WandConfig                               *struct{ Prompt string }
	Condition                                *struct {
		Field string
		Value any
	}
}

// shown tells whether the form has the field for an operation.
func (s subBlock) shown(operation string) bool {
	if s.Condition == nil {
		return true
	}
	if list, ok := s.Condition.Value.([]any); ok {
		return slices.Contains(list, any(operation))
	}
	return s.Condition.Value == operation
}

// run makes calls with these variables in the environment of the server.
func (f fork) run(t *testing.T, calls []call, environment ...string) said {
	t.Helper()
	stdin, err := json.Marshal(
		map[string]any{"root": "file://" + filepath.ToSlash(f.root) + "/out/", "calls": append([]call{}, calls...)},
	)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, f.node, "client.mjs")
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = "clients", bytes.NewReader(stdin), &stdout, &stderr
	cmd.Env = append(os.Environ(), "SEGMENT_BLOCKS_URL=", "SEGMENT_BLOCKS_TOKEN=")
	cmd.Env = append(cmd.Env, environment...)
	cmd.WaitDelay = 10 * time.Second
	require.NoError(t, cmd.Run(), stderr.String())
	var said said
	require.NoError(t, json.Unmarshal(stdout.Bytes(), &said), stdout.String())
	require.Len(t, said.Results, len(calls))
	return said
}

// compiled returns the committed files, compiled: they and the workflow have the types of the
// host's own code, in the strictest reading.
func compiled(t *testing.T) fork {
	t.Helper()
	f := build(t, aacflow.Segment(), aacflow.Sim08, segmentBlocks(t))
	// The client runs what was compiled as modules.
	require.NoError(t, os.WriteFile(filepath.Join(f.root, "package.json"), []byte(`{"type":"module"}`), 0o600))
	out, err := f.compile(t)
	require.NoError(t, err, out)
	// With jsx preserved the compiler writes .jsx, which node does not read. No test looks at the
	// icon.
	icons := filepath.Join(f.root, "out", "components", "icons.js")
	const none = "export const SegmentIcon = () => null\nexport const EnvelopeIcon = SegmentIcon\n"
	require.NoError(t, os.WriteFile(icons, []byte(none), 0o600))
	return f
}

// service is a server of the blocks before an emulator.
type service struct {
	segment *emulator.Server
	rt      *runtime.Runtime
	url     string
}

// start serves two sources, "first" and "second", with a token.
func start(t *testing.T) service {
	t.Helper()
	segment, err := emulator.Start(emulator.KnownWriteKeys(firstKey, secondKey))
	require.NoError(t, err)
	reg := segmentBlocks(t)
	retry := retry.Policy{MaxRetries: 1, BaseDelay: time.Millisecond}
	rt, err := runtime.New(
		reg,
		runtime.Source("first", tracking.Source{WriteKey: firstKey, Endpoint: segment.URL, Retry: retry}),
		runtime.Source("second", tracking.Source{WriteKey: secondKey, Endpoint: segment.URL, Retry: retry}),
	)
	require.NoError(t, err)
	g, err := guard.New(guard.Config{Tokens: []string{token}, Rate: -1})
	require.NoError(t, err)
	server := httptest.NewUnstartedServer(nil)
	server.Config = g.Server(rest.New(rt, reg, rest.Config{}))
	server.Start()
	t.Cleanup(func() {
		server.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		require.NoError(t, rt.Close(ctx))
		require.NoError(t, segment.Close(ctx))
	})
	return service{segment, rt, server.URL}
}

func (s service) environment() []string {
	return []string{"SEGMENT_BLOCKS_URL=" + s.url + "/", "SEGMENT_BLOCKS_TOKEN=" + token}
}

// upper returns a name as it ends a longer one.
func upper(name string) string { return strings.ToUpper(name[:1]) + name[1:] }
