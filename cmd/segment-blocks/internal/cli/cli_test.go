package cli

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/settings"
	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/schemas"
	"github.com/aacflow/segment-blocks/segment/delivery"
	"github.com/aacflow/segment-blocks/segment/emulator"
	"github.com/aacflow/segment-blocks/segment/tracking"
	"github.com/aacflow/segment-blocks/serve"
)

// Each command can be understood from its help alone.
func TestHelpIsComplete(t *testing.T) {
	each(newRoot(&Program{Console: &console.Console{}}), func(cmd *cobra.Command) {
		assert.NotEmpty(t, cmd.Short, cmd.CommandPath())
		assert.Greater(t, len(cmd.Long), len(cmd.Short), cmd.CommandPath())
		assert.False(t, strings.HasSuffix(cmd.Short, "."), "%s: a line without a full stop", cmd.CommandPath())
		if cmd.Runnable() {
			assert.NotEmpty(t, cmd.Example, cmd.CommandPath())
		}
		for line := range strings.SplitSeq(cmd.Long, "\n") {
			assert.LessOrEqual(t, len([]rune(line)), 140, "%s: %s", cmd.CommandPath(), line)
		}
	})
}

// Each command and topic has a help text of its own, and no text is left over.
func TestHelpTexts(t *testing.T) {
	var want, got []string
	each(newRoot(&Program{Console: &console.Console{}}), func(cmd *cobra.Command) {
		want = append(want, helpFile(cmd))
	})
	files, err := helpTexts.ReadDir("help")
	require.NoError(t, err)
	for _, file := range files {
		got = append(got, "help/"+file.Name())
	}
	assert.ElementsMatch(t, want, got)
	each(newRoot(&Program{Console: &console.Console{}}), func(cmd *cobra.Command) {
		assert.NotContains(t, cmd.Long, "{{", cmd.CommandPath())
	})
}

// The help has every exit code that an error can lead to.
func TestHelpHasTheExitCodes(t *testing.T) {
	help, err := helpTexts.ReadFile("help/exit-codes.txt")
	require.NoError(t, err)
	require.Regexp(t, `(?m)^ +0  `, string(help))
	for _, info := range runtime.Codes() {
		code := console.ExitOf(&runtime.Error{Code: info.Code})
		require.Regexp(t, fmt.Sprintf(`(?m)^ +%d  `, code), string(help), info.Code)
	}
}

// Help has no line of more than 80 columns, long URLs aside.
func TestHelpFitsTheTerminal(t *testing.T) {
	var out strings.Builder
	root := newRoot(&Program{Console: &console.Console{Stdout: &out}})
	root.SetOut(&out)
	each(root, func(cmd *cobra.Command) {
		out.Reset()
		require.NoError(t, cmd.Help())
		for line := range strings.Lines(out.String()) {
			if !strings.Contains(line, "://") {
				assert.LessOrEqual(t, utf8.RuneCountInString(line), 81, "%s: %s", cmd.Name(), line)
			}
		}
	})
}

func each(cmd *cobra.Command, visit func(*cobra.Command)) {
	visit(cmd)
	for _, c := range cmd.Commands() {
		each(c, visit)
	}
}

// Every example in the help works as it stands there.
func TestExamples(t *testing.T) {
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("examples are for a shell, and there is none")
	}
	dir, server := exampleFolder(t)
	each(newRoot(&Program{Console: &console.Console{}}), func(cmd *cobra.Command) {
		for _, line := range examples(cmd) {
			t.Run(line, func(t *testing.T) {
				line := strings.ReplaceAll(line, "http://127.0.0.1:4010", server.URL)
				if strings.HasPrefix(line, "segment-blocks emulator") ||
					strings.Contains(line, "segment-blocks serve") {
					serveExample(t, dir, line)
					return
				}
				if strings.Contains(line, "--apply ") {
					t.Skip("it needs a fork; testdata/script/exportaacflow.txtar has one")
				}
				if strings.Contains(line, "segment-blocks doctor") && !strings.Contains(line, "--source") {
					line = "SEGMENT_BLOCKS_SOURCE=prod " + line // the one that can be reached here
				}
				if strings.HasPrefix(line, "segment-blocks queue ") {
					deadLetters(t, filepath.Join(dir, "queued.store"))
				}
				out, err := shell(t, dir, line).CombinedOutput()
				require.NoError(t, err, "%s\n%s", line, out)
			})
		}
	})
}

// examples returns the commands of a help text. A line that is indented further goes
// on with the one before it, which ends in a backslash.
func examples(cmd *cobra.Command) []string {
	var list []string
	for line := range strings.SplitSeq(cmd.Example, "\n") {
		if strings.HasPrefix(line, "    ") {
			list[len(list)-1] = strings.TrimSuffix(list[len(list)-1], `\`) + strings.TrimSpace(line)
			continue
		}
		list = append(list, strings.TrimSpace(line))
	}
	if cmd.Example == "" {
		return nil
	}
	return list
}

// exampleFolder is what the examples take for granted: the command, its inputs, and a source called
// prod.
func exampleFolder(t *testing.T) (string, *emulator.Server) {
	dir := t.TempDir()
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "bin", "segment-blocks"), "../..")
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))
	server, err := emulator.Start()
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Close(context.Background()) })
	var inputs []string
	for _, pattern := range []string{"*.json", "*.ndjson", "*.csv", "*.workflow.yaml"} {
		found, err := filepath.Glob("../../../../examples/" + pattern)
		require.NoError(t, err)
		require.NotEmpty(t, found)
		inputs = append(inputs, found...)
	}
	for _, name := range inputs {
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, filepath.Base(name)), data, 0o600))
	}
	for _, folder := range []string{"manifests", "published"} {
		require.NoError(t, os.CopyFS(filepath.Join(dir, folder), os.DirFS("../../../../examples/custom-block")))
	}
	for _, line := range []string{
		"git init -q", "git add manifests",
		"git -c user.name=a -c user.email=a@b -c commit.gpgsign=false commit -q -m one",
	} {
		arguments := strings.Fields(line)
		commit := exec.Command(arguments[0], arguments[1:]...)
		commit.Dir = dir
		out, err := commit.CombinedOutput()
		require.NoError(t, err, string(out))
	}
	to := "writeKey: " + emulatorKey + ", endpoint: '" + server.URL + "'}\n"
	config := "defaultSource: prod\nsources:\n  prod: {" + to +
		"  queued: {delivery: durable, store: queued.store, " + to
	require.NoError(t, os.WriteFile(filepath.Join(dir, "segment-blocks.yaml"), []byte(config), 0o600))
	return dir, server
}

func TestCommitsNeedGit(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, _, err := committed(t.Context(), "HEAD", ".")
	require.EqualError(t, err, "cannot read manifests: no file or folder has this name, and git, which reads those of "+
		"a commit, is not installed: HEAD")
}

// deadLetters makes a store with the dead letters 1 and 2, which the examples of queue name.
func deadLetters(t *testing.T, path string) {
	require.NoError(t, os.RemoveAll(path))
	refusing := httptest.NewServer(
		http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadRequest) }),
	)
	defer refusing.Close()
	store, err := delivery.Open(path, delivery.StoreOptions{})
	require.NoError(t, err)
	source := store.Source("queued", tracking.Source{WriteKey: emulatorKey, Endpoint: refusing.URL})
	for range 2 {
		fields, err := rawjson.ParseObject([]byte(`{"type":"track","event":"Refused","userId":"u"}`), rawjson.Limits{})
		require.NoError(t, err)
		_, err = source.Send(
			t.Context(), nil, tracking.Call{Messages: []tracking.Message{tracking.NewMessage("", fields)}, Alone: true},
		)
		require.NoError(t, err)
	}
	require.Eventually(t, func() bool { return store.Stats()[0].Dead == 2 }, 5*time.Second, 5*time.Millisecond)
	_, err = store.Close(t.Context())
	require.NoError(t, err)
}

func TestDeprecatedBlockIsShownAsOne(t *testing.T) {
	entry, err := (&Program{Console: &console.Console{}}).entryOf("segment_track")
	require.NoError(t, err)
	entry.Deprecation = schemas.Deprecation{
		Deprecated: "Events have moved", ReplacedBy: "other_block", Sunset: "2027-06-30",
	}
	entry.Changes = []schemas.Change{{Version: "1.0.0", Text: "The first version."}}
	var out bytes.Buffer
	writeBlock(&out, console.Style{}, entry)
	require.Contains(t, out.String(), "Deprecated: Events have moved. Use other_block instead. It may be gone from")
	require.Contains(t, out.String(), "Changes\n  1.0.0  The first version.\n")
}

// On a narrow terminal the reason of a dead letter is prose below it.
func TestDeadLettersFitTheTerminal(t *testing.T) {
	var out bytes.Buffer
	reason := strings.Repeat("the receiver answered 400 ", 6)
	id := "sb1-" + strings.Repeat("x", 36)
	writeMessages(&out, []delivery.StoredMessage{{ID: 7, MessageID: id, Reason: reason}}, 80)
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	require.Greater(t, len(lines), 4)
	for _, line := range lines {
		require.LessOrEqual(t, len(line), 80)
	}
}

func shell(t *testing.T, dir, line string) *exec.Cmd {
	cmd := exec.Command("sh", "-c", line)
	cmd.Dir = dir
	cmd.Env = []string{
		"PATH=" + filepath.Join(dir, "bin") + string(filepath.ListSeparator) + os.Getenv("PATH"), "HOME=" + t.TempDir(),
	}
	return cmd
}

// serveExample runs a command that serves until it is interrupted.
func serveExample(t *testing.T, dir, line string) {
	if !strings.Contains(line, "--addr") {
		line += " --addr 127.0.0.1:0"
	}
	var out lockedBuffer
	line = strings.ReplaceAll(line, ":8787", ":0")
	cmd := shell(t, dir, "exec env "+line)
	cmd.Stdout, cmd.Stderr = &out, &out
	require.NoError(t, cmd.Start())
	require.Eventually(
		t, func() bool { return strings.Contains(out.String(), "Ctrl-C") }, 20*time.Second, 10*time.Millisecond,
	)
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	require.NoError(t, cmd.Wait(), out.String())
}

// The examples of the folder of that name are inputs, and one of them is refused.
func TestExampleInputs(t *testing.T) {
	blocks := map[string]string{
		"order-completed.json": "segment_track", "identify.json": "segment_identify", "batch.json": "segment_batch",
		"refused.json": "segment_track",
	}
	files, err := filepath.Glob("../../../../examples/*.json")
	require.NoError(t, err)
	assert.Len(t, files, len(blocks))
	for name, block := range blocks {
		data, err := os.ReadFile(filepath.Join("../../../../examples", name))
		require.NoError(t, err)
		require.NoError(t, rawjson.Check(data, rawjson.Limits{}))
		target, err := (&Program{Console: &console.Console{}}).newTarget(
			&target{source: "placeholder", deliveries: newDeliveries(nil, nil)}, placeholderSource(),
		)
		require.NoError(t, err)
		err = target.Validate(t.Context(), block, runtime.JSON(data))
		assert.Equal(t, name == "refused.json", err != nil, "%s: %v", name, err)
	}
}

func TestServeOffersInvocationIDsOnRequest(t *testing.T) {
	for _, asked := range []bool{false, true} {
		p := &Program{Console: &console.Console{}}
		h, err := p.openToHost(t.Context(), &settings.Settings{}, slog.New(slog.DiscardHandler), false)
		require.NoError(t, err)
		config := p.serveConfig(h, settings.Serve{MCPInvocationID: asked})
		handler, err := serve.New(h.Runtime, p.registry(), config)
		require.NoError(t, err)
		request := httptest.NewRequest(
			http.MethodPost, "http://localhost/mcp",
			strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`),
		)
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Accept", "application/json, text/event-stream")
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, request)
		require.Contains(t, answer.Body.String(), "segment_track")
		require.Equal(t, asked, strings.Contains(answer.Body.String(), "invocationId"))
		_, err = h.close(t.Context())
		require.NoError(t, err)
	}
}
