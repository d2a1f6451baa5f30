// Package clients_test sends events with Segment's own clients and compares what
// the emulator stored with what the clients were given. It is a module of its
// own, so that those clients are nobody's dependency.
//
//	npm ci && go test ./...
//
// A test whose client is not installed is skipped, unless the environment has
// SEGMENT_BLOCKS_REQUIRE_CLIENTS=1. CHROMIUM names the browser when it is not in
// the PATH as chromium.
package clients_test

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/segment/emulator"
)

const writeKey = "kQ3vT9xW2mZ7bN5cR8dL1fH6jP4sY0aE"

// calls are given to the clients written in JavaScript, each field under the
// name it should arrive with.
//
//go:embed calls.json
var callsJSON []byte

// missing ends a test whose client is not there.
func missing(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("SEGMENT_BLOCKS_REQUIRE_CLIENTS") == "1" {
		require.FailNow(t, fmt.Sprintf(format, args...))
	}
	t.Skipf(format+"; skipped", args...)
}

func needNode(t *testing.T) string {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		missing(t, "node is not installed")
	}
	if _, err := os.Stat("node_modules"); err != nil {
		missing(t, "node_modules is missing: run npm ci in emulator/clients")
	}
	return node
}

func needChromium(t *testing.T) string {
	t.Helper()
	name := os.Getenv("CHROMIUM")
	if name == "" {
		name = "chromium"
	}
	path, err := exec.LookPath(name)
	if err != nil {
		missing(t, "%s is not installed", name)
	}
	return path
}

func start(t *testing.T) *emulator.Server {
	t.Helper()
	srv, err := emulator.Start(emulator.KnownWriteKeys(writeKey))
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		require.NoError(t, srv.Close(ctx))
	})
	return srv
}

// runScript runs a script under node with the input and requires that neither
// the script nor the client reports an error.
func runScript(t *testing.T, node, script string, input map[string]any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	stdin, err := json.Marshal(input)
	require.NoError(t, err)
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, node, script)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(stdin), &stdout, &stderr
	// A script that is asked, rather than killed, closes its browser.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	require.NoError(t, cmd.Run(), stderr.String())
	require.Empty(t, stderr.String())
	var said struct{ Errors []string }
	require.NoError(t, json.Unmarshal(stdout.Bytes(), &said), stdout.String())
	require.Empty(t, said.Errors)
}

func decode(t *testing.T, raw []byte) any {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	require.NoError(t, dec.Decode(&v), "%s", raw)
	return v
}

// requireComplete compares what was stored with what was given: each call once,
// with every field it was given, beside which a client may add its own. A
// call's context is looked for in the view merged with the batch's.
func requireComplete(t *testing.T, srv *emulator.Server, given []any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	events, err := srv.Wait(ctx, len(given))
	require.NoError(t, err)
	require.Len(t, events, len(given))
	require.Empty(t, srv.Discards(emulator.DiscardFilter{}))
	for _, r := range srv.Requests() {
		require.Equal(t, 200, r.Status, "%s %s", r.Method, r.Path)
	}
	for _, call := range given {
		call := call.(map[string]any)
		i := slices.IndexFunc(events, func(ev emulator.Event) bool { return ev.Type == call["type"] })
		require.GreaterOrEqual(t, i, 0, "no %s arrived", call["type"])
		ev := events[i]
		got := decode(t, ev.Message).(map[string]any)
		got["type"] = ev.Type
		if ev.Context != nil {
			got["context"] = decode(t, ev.Context)
		}
		require.Empty(t, differences("", call, got), "%s: %s", ev.Type, ev.Message)

		require.Empty(t, ev.Notes)
		require.False(t, ev.Minted, "the client gives each message its id")
		require.Equal(t, emulator.Fingerprint(writeKey), ev.Source)
		require.NotZero(t, ev.SentAt)
		require.Equal(t, call["timestamp"], ev.OriginalTimestamp.Format("2006-01-02T15:04:05.000Z07:00"))
		require.NotEmpty(t, got["context"].(map[string]any)["library"])
	}
}

// differences lists where got lacks what want has. Objects may hold more.
func differences(at string, want, got any) []string {
	wantObject, ok := want.(map[string]any)
	if !ok {
		if fmt.Sprint(want) != fmt.Sprint(got) {
			return []string{fmt.Sprintf("%s: want %v, got %v", at, want, got)}
		}
		return nil
	}
	gotObject, ok := got.(map[string]any)
	if !ok {
		return []string{fmt.Sprintf("%s: want an object, got %v", at, got)}
	}
	var diffs []string
	for name, value := range wantObject {
		if have, ok := gotObject[name]; ok {
			diffs = append(diffs, differences(at+"/"+name, value, have)...)
		} else {
			diffs = append(diffs, fmt.Sprintf("%s/%s: missing", at, name))
		}
	}
	slices.Sort(diffs)
	return diffs
}
