package catalog_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"iter"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/blocks"
	customblock "github.com/aacflow/segment-blocks/examples/custom-block"
	"github.com/aacflow/segment-blocks/export/aacflow"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/segment/emulator"
	"github.com/aacflow/segment-blocks/segment/tracking"
	"github.com/aacflow/segment-blocks/serve"
	"github.com/aacflow/segment-blocks/serve/catalog"
	"github.com/aacflow/segment-blocks/serve/guard"
	"github.com/aacflow/segment-blocks/serve/invocations"
	"github.com/aacflow/segment-blocks/serve/rest"
	"github.com/aacflow/segment-blocks/serve/workflows"
	"github.com/aacflow/segment-blocks/workflow"
)

// need skips a test without the tool or the npm packages of the page, unless
// SEGMENT_BLOCKS_REQUIRE_CLIENTS=1 says that they must be there.
func need(t *testing.T, tools ...string) {
	t.Helper()
	says := ""
	if _, err := os.Stat("app/node_modules"); err != nil {
		says = "needs npm ci in serve/catalog/app"
	}
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			says = "needs " + tool
		}
	}
	if says == "" {
		return
	}
	if os.Getenv("SEGMENT_BLOCKS_REQUIRE_CLIENTS") == "1" {
		require.FailNow(t, says)
	}
	t.Skip(says)
}

// command runs a program to its end and returns what it wrote.
func command(t *testing.T, folder string, stdin []byte, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 9*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Stdin, cmd.WaitDelay = folder, bytes.NewReader(stdin), 10*time.Second
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return string(out)
}

// What is embedded is what the sources make. Run go generate ./serve/catalog if it is not.
func TestDistIsFresh(t *testing.T) {
	need(t)
	built := t.TempDir()
	command(t, "build", nil, "go", "run", ".", built)
	want, err := os.ReadDir(built)
	require.NoError(t, err)
	have, err := os.ReadDir("dist")
	require.NoError(t, err)
	require.Len(t, have, len(want))
	for _, entry := range want {
		fresh, err := os.ReadFile(filepath.Join(built, entry.Name()))
		require.NoError(t, err)
		kept, err := os.ReadFile(filepath.Join("dist", entry.Name()))
		require.NoError(t, err)
		require.True(t, bytes.Equal(fresh, kept), "%s is not what go generate ./serve/catalog writes", entry.Name())
	}
}

func TestTypes(t *testing.T) {
	need(t, "node")
	command(t, "app", nil, "node", "node_modules/typescript/bin/tsc", "--project", ".")
}

func TestFormat(t *testing.T) {
	need(t, "node")
	const prettier = "node_modules/prettier/bin/prettier.cjs"
	command(t, "app", nil, "node", prettier, "--check", "src/*.ts", "src/*.tsx", "tests/*.mjs")
}

const (
	planted = "planted-write-key-that-nobody-may-see"
	token   = "a-token-for-the-catalog-0123456789"
)

// host is a program with the catalog below a prefix, and what the scripts need to know of it.
type host struct {
	URL      string `json:"url"`
	Secured  string `json:"secured"` // the same behind a token
	Real     string `json:"real"`    // one that has no emulator, and tells of invocations
	Token    string `json:"token"`
	Emulator string `json:"emulator"`
	Planted  string `json:"planted"`
	Folder   string `json:"folder"` // of the workflows
	Bin      string `json:"bin"`    // the folder of the command, for what wants it
}

// files are workflows: one that runs, and one with faults.
var files = map[string]string{
	"signup.workflow.yaml": `
name: signed-up
start: {userId: u-42, invited: [ada, grace]}
nodes:
  who: {block: segment_identify, with: {userId: <start.userId>}}
  invited:
    block: segment_track
    needs: [who]
    forEach: <start.invited>
    with: {userId: <start.userId>, event: Teammate Invited, properties: {who: <loop.currentItem>}}
  paying: {block: segment_group, needs: [invited], when: start.userId == "u-1", with: {userId: a, groupId: b}}
`,
	"broken.workflow.yaml": "name: broken\nnodes:\n  a: {block: segment_trak, with: {}}\n",
}

// start serves the Segment blocks with an emulated source and one that passes for real, and blocks
// of another vendor.
func start(t *testing.T) host {
	t.Helper()
	segment, err := emulator.Start()
	require.NoError(t, err)
	receiver, err := emulator.Start()
	require.NoError(t, err)
	tally := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	reg := registry.New()
	blocks.MustRegister(reg)
	customblock.MustRegister(reg)
	log := invocations.New(invocations.Config{})
	options := []runtime.Option{
		runtime.Observe(log.Observe),
		runtime.EmulatedSource("emulator", tracking.Source{WriteKey: "emulated-write-key", Endpoint: segment.URL}),
		runtime.Source("prod", tracking.Source{WriteKey: planted, Endpoint: receiver.URL}),
		runtime.Source("tally", customblock.Source{URL: tally.URL, APIKey: "a-key-of-tally"}),
	}
	rt, err := runtime.New(reg, options...)
	require.NoError(t, err)
	flowing, err := runtime.New(reg, append(options, runtime.WithConventions(workflow.Conventions()))...)
	require.NoError(t, err)
	folder := t.TempDir()
	for name, text := range files {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600))
	}
	flows, err := workflows.New(workflows.Config{
		Folder: folder, Registry: reg, Runtime: flowing,
		Sources: []workflows.Source{{Name: "emulator"}, {Name: "prod"}},
	})
	require.NoError(t, err)
	serving := func(cfg serve.Config) string {
		cfg.MCP.Sources = []string{"emulator", "prod", "tally"}
		server, err := serve.New(rt, reg, cfg)
		require.NoError(t, err)
		mux := http.NewServeMux()
		mux.Handle("/tools/", http.StripPrefix("/tools", server))
		web := httptest.NewServer(mux)
		t.Cleanup(web.Close)
		return web.URL + "/tools/"
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		require.NoError(t, flows.Close(ctx))
		require.NoError(t, errors.Join(rt.Close(ctx), flowing.Close(ctx)))
		require.NoError(t, segment.Close(ctx))
		require.NoError(t, receiver.Close(ctx))
		tally.Close()
	})
	g, err := guard.New(guard.Config{Tokens: []string{token}})
	require.NoError(t, err)
	page := &catalog.Config{
		Emulator: segment.Handler(),
		AACFlow:  func(block string) ([]byte, error) { return aacflow.Workflow(reg, block) },
	}
	return host{
		URL:     serving(serve.Config{Catalog: page, Workflows: flows}),
		Secured: serving(serve.Config{Catalog: page, Guard: g}),
		Real: serving(serve.Config{
			Catalog: &catalog.Config{}, Invocations: log, Queues: map[string]rest.Queue{"prod": queue()},
		}),
		Token: token, Emulator: segment.URL, Planted: planted, Folder: folder,
	}
}

// queue is one with two dead letters.
func queue() rest.Queue {
	var mu sync.Mutex
	dead := []rest.DeadLetter{
		{ID: 1, MessageID: "dead-1", Reason: "400 Bad Request"}, {ID: 2, MessageID: "dead-2", Reason: "too old"},
	}
	remove := func(ids ...uint64) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		dead = slices.DeleteFunc(dead, func(d rest.DeadLetter) bool { return slices.Contains(ids, d.ID) })
		return len(ids), nil
	}
	return rest.Queue{
		State: func() rest.QueueState {
			mu.Lock()
			defer mu.Unlock()
			return rest.QueueState{Waiting: 3, Dead: len(dead), LastError: "rate limited"}
		},
		Dead: func() iter.Seq2[rest.DeadLetter, error] {
			return func(yield func(rest.DeadLetter, error) bool) {
				mu.Lock()
				defer mu.Unlock()
				for _, d := range dead {
					if !yield(d, nil) {
						return
					}
				}
			}
		},
		Retry: remove, Drop: remove,
	}
}

// The scripts in app/tests drive the page in Chromium. Each has a server of its own.
func TestInBrowser(t *testing.T) {
	need(t, "node", "chromium")
	scripts := []string{"browse", "fill", "run", "watch", "real", "snippets", "secrets", "access", "workflows"}
	for _, script := range scripts {
		t.Run(script, func(t *testing.T) {
			h := start(t)
			if script == "snippets" {
				h.Bin = t.TempDir()
				command(t, "../..", nil, "go", "build", "-o", h.Bin, "./cmd/segment-blocks")
			}
			given, err := json.Marshal(h)
			require.NoError(t, err)
			t.Log(command(t, "app", given, "node", "tests/"+script+".mjs"))
		})
	}
}
