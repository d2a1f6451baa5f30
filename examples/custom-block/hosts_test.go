package customblock_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/blocks"
	customblock "github.com/aacflow/segment-blocks/examples/custom-block"
	"github.com/aacflow/segment-blocks/export/aacflow"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/serve"
	"github.com/aacflow/segment-blocks/serve/catalog"
	"github.com/aacflow/segment-blocks/serve/mcp"
	"github.com/aacflow/segment-blocks/workflow"
)

// host is a program that offers the blocks of a registry.
type host struct {
	t        *testing.T
	registry *registry.Registry
	runtime  *runtime.Runtime
	url      string
	requests *[][]event
}

func newHost(t *testing.T, reg *registry.Registry) host {
	tallyURL, requests := tally(t, http.StatusOK)
	rt, err := runtime.New(reg, runtime.Source("tally", customblock.Source{URL: tallyURL, APIKey: "a-key-of-tally"}))
	require.NoError(t, err)
	server, err := serve.New(rt, reg, serve.Config{
		Catalog: &catalog.Config{AACFlow: func(block string) ([]byte, error) { return aacflow.Workflow(reg, block) }},
	})
	require.NoError(t, err)
	web := httptest.NewServer(server)
	t.Cleanup(func() {
		web.Close()
		require.NoError(t, rt.Close(context.Background()))
	})
	return host{t, reg, rt, web.URL, requests}
}

// ask returns the body of an answer.
func (h host) ask(method, path, body string) string {
	req, err := http.NewRequestWithContext(h.t.Context(), method, h.url+path, strings.NewReader(body))
	require.NoError(h.t, err)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(h.t, err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	require.NoError(h.t, err)
	require.Equal(h.t, http.StatusOK, resp.StatusCode, "%s %s", path, data)
	return string(data)
}

// tools returns the tools of MCP by name, and how to call one.
func (h host) tools() (map[string]*sdk.Tool, func(name string, arguments map[string]any) string) {
	client := sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, nil)
	session, err := client.Connect(h.t.Context(), &sdk.StreamableClientTransport{Endpoint: h.url + "/mcp"}, nil)
	require.NoError(h.t, err)
	h.t.Cleanup(func() { _ = session.Close() })
	list, err := session.ListTools(h.t.Context(), nil)
	require.NoError(h.t, err)
	tools := map[string]*sdk.Tool{}
	for _, tool := range list.Tools {
		tools[tool.Name] = tool
	}
	return tools, func(name string, arguments map[string]any) string {
		res, err := session.CallTool(h.t.Context(), &sdk.CallToolParams{Name: name, Arguments: arguments})
		require.NoError(h.t, err)
		data, err := json.Marshal(res)
		require.NoError(h.t, err)
		return string(data)
	}
}

func (h host) work(file string) string {
	g, err := workflow.Check(h.t.Context(), "w.yaml", []byte(file), workflow.CheckOptions{
		Registry: h.registry, Runtime: h.runtime,
	})
	require.NoError(h.t, err)
	res, err := workflow.Run(h.t.Context(), g, nil, workflow.Options{Invoke: workflow.Invoker(h.runtime)})
	require.NoError(h.t, err)
	require.Equal(h.t, workflow.Succeeded, res.Status)
	data, err := json.Marshal(res)
	require.NoError(h.t, err)
	return string(data)
}

// What is registered is offered by every host, as the Segment blocks are.
func TestEveryHost(t *testing.T) {
	reg := registry.New()
	blocks.MustRegister(reg)
	customblock.MustRegister(reg)
	h := newHost(t, reg)
	arguments := map[string]any{"events": []any{map[string]any{"user_id": "u-1", "event_type": "Signed Up"}}}
	input, err := json.Marshal(map[string]any{"input": arguments})
	require.NoError(t, err)

	t.Run("rest", func(t *testing.T) {
		require.Contains(t, h.ask("GET", "/v1/blocks", ""), `"id":"tally_batch"`)
		require.Contains(t, h.ask("GET", "/openapi.json", ""), `"/v1/blocks/tally_batch/invoke"`)
		require.Contains(t, h.ask("POST", "/v1/blocks/tally_batch/invoke", string(input)), `"output":{"accepted":1}`)
		require.Contains(t, h.ask("POST", "/v1/blocks/tally_batch/preview", string(input)),
			`\"api_key\":\"[redacted]\"`)
	})
	t.Run("mcp", func(t *testing.T) {
		tools, call := h.tools()
		require.Contains(t, tools["tally_batch"].Description, "Count many things that users did.")
		require.Contains(t, call("tally_batch", arguments), `"structuredContent":{"accepted":1}`)
	})
	t.Run("export", func(t *testing.T) {
		in := aacflow.Integration{
			ID: "tally", Name: "Tally", Summary: "Count", Description: "Counts.", Variables: "TALLY",
		}
		files, err := aacflow.Native(reg, in, aacflow.Sim08)
		require.NoError(t, err)
		var all strings.Builder
		for _, f := range files {
			all.Write(f.Content)
		}
		require.Contains(t, all.String(),
			"export const tallyBatchTool: ToolConfig<TallyBatchParams, TallyBatchResponse>")
		imported, err := aacflow.Workflow(reg, "tally_event")
		require.NoError(t, err)
		require.Contains(t, string(imported), "tally_event")
		require.Len(t, mcp.Definitions(reg, mcp.Agent), 9)
	})
	t.Run("docs", func(t *testing.T) {
		b, _ := reg.Lookup("tally_event")
		page := reg.Entry(b).Markdown()
		require.Contains(t, page, "| `user_id` | string | Yes | Who did it. Example: `u-42`. |")
		require.Contains(t, page, "| `event_properties` | json | No |")
	})
	t.Run("catalog", func(t *testing.T) {
		require.Contains(t, h.ask("GET", "/catalog/", ""), "<title>")
		require.Contains(t, h.ask("GET", "/catalog/aacflow/tally_event", ""), "tally_event")
	})
	t.Run("workflow", func(t *testing.T) {
		before := len(*h.requests)
		require.Contains(t, h.work(`{name: w, start: {who: u-7}, nodes: {
			tell: {block: tally_event, with: {user_id: <start.who>, event_type: Signed Up}}}}`), `"accepted":1`)
		require.Equal(t, "u-7", (*h.requests)[before][0].User)
	})
}

// Two major versions of a block work side by side in every host: the older one by its number.
func TestTwoMajors(t *testing.T) {
	read := func(name string, replacements ...string) *fstest.MapFile {
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		return &fstest.MapFile{Data: []byte(strings.NewReplacer(replacements...).Replace(string(data)))}
	}
	files := fstest.MapFS{
		"shared.yaml": read("shared.yaml"),
		"v1.yaml": read("tally_event.yaml", "version: 1.0.0",
			"version: 1.3.0\ndeprecated: A user_id is a user now\nreplacedBy: tally_event@2\nsunset: 2027-06-30"),
		"shared2.yaml": read("shared.yaml", "user_id", "user"),
		"v2.yaml": read("tally_event.yaml", "user_id", "user", "shared.yaml", "shared2.yaml", "version: 1.0.0",
			"version: 2.0.0\nchanges: {2.0.0: A user_id is a user.}"),
	}
	answers := func(major int) runtime.Executor[customblock.Source] {
		return func(context.Context, *runtime.Call, customblock.Source) (any, error) {
			return map[string]any{"accepted": major}, nil
		}
	}
	reg := registry.New()
	executors := map[string]runtime.Executor[customblock.Source]{"tally_event": answers(2)}
	require.ErrorContains(t, runtime.Register(reg, files, executors), "the manifest of tally_event@1 has no executor")
	executors["tally_event@1"] = answers(1)
	executors["tally_evnt"] = answers(0)
	require.ErrorContains(t, runtime.Register(reg, files, executors), `an executor has no manifest: "tally_evnt"`)
	delete(executors, "tally_evnt")
	require.NoError(t, runtime.Register(reg, files, executors))
	h := newHost(t, reg)
	const old, now = `{"input":{"user_id":"u","event_type":"e"}}`, `{"input":{"user":"u","event_type":"e"}}`
	const notice = "A user_id is a user now. Use tally_event@2 instead. It may be gone from 2027-06-30 on."

	t.Run("rest", func(t *testing.T) {
		list := h.ask("GET", "/v1/blocks", "")
		require.Contains(t, list, `"version":"2.0.0","changes":[{"version":"2.0.0","text":"A user_id is a user."}]`)
		require.NotContains(t, list, `"version":"1.3.0"`)
		require.Contains(t, h.ask("GET", "/v1/blocks/tally_event@1", ""),
			`"version":"1.3.0","deprecated":"A user_id is a user now","replacedBy":"tally_event@2",`+
				`"sunset":"2027-06-30"`)
		for path, body := range map[string]string{"tally_event": now, "tally_event@2": now, "tally_event@1": old} {
			answer := h.ask("POST", "/v1/blocks/"+path+"/invoke", body)
			require.Equal(t, body == old, strings.Contains(answer, `"accepted":1`), answer)
			require.Equal(t, body == old, strings.Contains(answer, "deprecated_block"), answer)
			require.Contains(t, h.ask("POST", "/v1/blocks/"+path+"/validate", body), `"valid":true`)
		}
		var described struct {
			Paths map[string]struct {
				Post struct {
					OperationID, Description string
					Deprecated               bool
				}
			}
		}
		require.NoError(t, json.Unmarshal([]byte(h.ask("GET", "/openapi.json", "")), &described))
		older := described.Paths["/v1/blocks/tally_event@1/invoke"].Post
		require.Equal(t, "tally_event_v1", older.OperationID)
		require.True(t, older.Deprecated)
		require.Contains(t, older.Description, "Deprecated: "+notice)
		require.Equal(t, "tally_event", described.Paths["/v1/blocks/tally_event/invoke"].Post.OperationID)
		require.False(t, described.Paths["/v1/blocks/tally_event/invoke"].Post.Deprecated)
	})
	t.Run("mcp", func(t *testing.T) {
		tools, call := h.tools()
		require.Len(t, tools, 2)
		require.NotContains(t, tools["tally_event"].Description, "Deprecated")
		require.True(t, strings.HasPrefix(tools["tally_event_v1"].Description, "Deprecated: "+notice))
		for name, parameter := range map[string]string{
			"tally_event": "user", "tally_event@2": "user", "tally_event@1": "user_id", "tally_event_v1": "user_id",
		} {
			answer := call(name, map[string]any{parameter: "u", "event_type": "e"})
			require.Equal(t, parameter == "user_id",
				strings.Contains(answer, `"structuredContent":{"accepted":1}`), answer)
			require.Equal(t, parameter == "user_id", strings.Contains(answer, notice), answer)
		}
		require.Contains(t, call("tally_event@3", nil), "has no major version 3 here, only 2.0.0 and 1.3.0")
	})
	t.Run("export", func(t *testing.T) {
		in := aacflow.Integration{
			ID: "tally", Name: "Tally", Summary: "Count", Description: "Counts.", Variables: "TALLY",
		}
		files, err := aacflow.Native(reg, in, aacflow.Sim08)
		require.NoError(t, err)
		for _, f := range files {
			if strings.HasSuffix(f.Path, "tally/event.ts") {
				require.Contains(t, string(f.Content), "url: () => invokeUrl('tally_event@2'),")
			}
		}
		only, err := reg.With("tally_event@1")
		require.NoError(t, err)
		files, err = aacflow.Native(only, in, aacflow.Sim08)
		require.NoError(t, err)
		require.Contains(t, string(files[len(files)-4].Content), "Deprecated: A user_id is a user now.")
	})
	t.Run("workflow", func(t *testing.T) {
		ran := h.work(`{name: w, nodes: {
			old: {block: tally_event@1, with: {user_id: u, event_type: e}},
			now: {block: tally_event, with: {user: u, event_type: e}}}}`)
		require.Contains(t, ran, `"accepted":1`)
		require.Contains(t, ran, `"accepted":2`)
	})
}
