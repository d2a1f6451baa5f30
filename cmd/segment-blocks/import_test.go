package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/rawjson"
)

// counter is a receiver that remembers what came first, and can be told of each request.
type counter struct {
	URL string

	mu      sync.Mutex
	seen    map[string]int // by messageId
	first   []string       // events, each once
	request func()         // called before one is answered
}

func newCounter(t *testing.T) *counter {
	c := &counter{seen: map[string]int{}}
	s := httptest.NewServer(c)
	t.Cleanup(func() {
		s.CloseClientConnections() // those of the killed too
		s.Close()
	})
	c.URL = s.URL
	return c
}

func (c *counter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // its sender is gone
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	list, _ := rawjson.At(body, "/batch")
	for _, raw := range rawjson.OpenArray(list) {
		m := rawjson.OpenObject(raw)
		id := m.Text("messageId")
		if c.seen[id]++; c.seen[id] == 1 {
			c.first = append(c.first, m.Text("event"))
		}
	}
	if c.request != nil {
		c.request()
	}
	_, _ = io.WriteString(w, `{"success":true}`)
}

func (c *counter) onRequest(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.request = f
}

// importCommand is a real process, and one that can be killed.
func importCommand(t *testing.T, dir, url string, args ...string) (*exec.Cmd, *bytes.Buffer) {
	path, err := exec.LookPath("segment-blocks")
	require.NoError(t, err)
	cmd := exec.Command(path, append([]string{"import", "events.ndjson", "--progress", "none"}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_CONFIG_HOME="+dir, "SEGMENT_WRITE_KEY="+secretKey,
		"SEGMENT_ENDPOINT="+url)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	return cmd, &out
}

// importFile writes events of some users, with lines among them that cannot be sent, and returns
// the numbers of those.
func importFile(t *testing.T, dir string, lines, users int) (rejected []int) {
	var b strings.Builder
	for i := range lines {
		switch {
		case i%97 == 13:
			b.WriteString("this is no event\n")
			rejected = append(rejected, i+1)
		case i%131 == 17:
			fmt.Fprintf(&b, `{"type":"track","userId":"u-%d","properties":{"n":%d}}`+"\n", i%users, i)
			rejected = append(rejected, i+1)
		default:
			fmt.Fprintf(
				&b, `{"type":"track","event":"%d %d","userId":"u-%d","properties":{"total":%d.50,"note":"%s"}}`+"\n",
				i%users, i, i%users, i, strings.Repeat("x", 100+i%50))
		}
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "events.ndjson"), []byte(b.String()), 0o600))
	return rejected
}

// importList is importFile for a list of events.
func importList(t *testing.T, dir string, lines, users int) (rejected []int) {
	rejected = importFile(t, dir, lines, users)
	path := filepath.Join(dir, "events.ndjson")
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	list := "[" + strings.ReplaceAll(strings.TrimSpace(string(text)), "\n", ",\n") + "]"
	require.NoError(t, os.WriteFile(path, []byte(list), 0o600))
	return rejected
}

func rejectedLines(t *testing.T, dir string) []int {
	data, err := os.ReadFile(filepath.Join(dir, "events.ndjson.rejects.ndjson"))
	require.NoError(t, err)
	var out []int
	for line := range bytes.Lines(data) {
		var r struct{ Line int }
		require.NoError(t, json.Unmarshal(line, &r), "%s", line)
		out = append(out, r.Line)
	}
	return out
}

func requireUsersInOrder(t *testing.T, events []string) {
	last := map[int]int{}
	for _, e := range events {
		var user, n int
		_, err := fmt.Sscanf(e, "%d %d", &user, &n)
		require.NoError(t, err)
		before, seen := last[user]
		require.True(t, !seen || before < n, "event %d of user %d came first after event %d", n, user, before)
		last[user] = n
	}
}

// Killed wherever it is, over and over, an import that is resumed sends every event, under the same
// messageId each time, those of each user in order, and writes each reject once. KILLS says how
// often to kill, 0 to go on until the time of the test is up.
func TestImportSurvivesKills(t *testing.T) {
	t.Run("lines", func(t *testing.T) { survivesKills(t, importFile) })
	t.Run("list", func(t *testing.T) { survivesKills(t, importList) })
}

func survivesKills(t *testing.T, write func(t *testing.T, dir string, lines, users int) []int) {
	const lines, users = 30_000, 40
	kills := 8
	if testing.Short() {
		kills = 2
	}
	if text := os.Getenv("KILLS"); text != "" {
		n, err := strconv.Atoi(text)
		require.NoError(t, err)
		kills = n
	}
	clean := t.TempDir()
	rejected := write(t, clean, lines, users)
	whole := newCounter(t)
	cmd, out := importCommand(t, clean, whole.URL)
	require.ErrorContains(t, cmd.Run(), "exit status 6", out)
	require.Len(t, whole.seen, lines-len(rejected))
	rejects, err := os.ReadFile(filepath.Join(clean, "events.ndjson.rejects.ndjson"))
	require.NoError(t, err)
	require.NotContains(t, string(rejects), secretKey)

	killed := 0
	for killed < kills || kills == 0 && timeIsLeft(t) {
		dir, c := t.TempDir(), newCounter(t)
		write(t, dir, lines, users)
		for done := false; !done && (killed < kills || kills == 0); {
			if done = killImport(t, dir, c); !done {
				killed++
			}
		}
		cmd, out = importCommand(t, dir, c.URL, "--resume")
		if err := cmd.Run(); err != nil {
			require.ErrorContains(t, err, "exit status 6", out)
		}
		require.Len(t, c.seen, len(whole.seen))
		for id := range whole.seen {
			require.Positive(t, c.seen[id], id)
		}
		requireUsersInOrder(t, c.first)
		require.Equal(t, rejected, rejectedLines(t, dir))
		written, err := os.ReadFile(filepath.Join(dir, "events.ndjson.rejects.ndjson"))
		require.NoError(t, err)
		require.True(t, bytes.Equal(rejects, written), "the rejects are those of an import that nobody killed")
		state, err := os.ReadFile(filepath.Join(dir, "events.ndjson.import.json"))
		require.NoError(t, err)
		require.Contains(t, string(state), `"done": true`)
		require.NotContains(t, string(state), secretKey)
	}
	t.Logf("killed %d times", killed)
}

func timeIsLeft(t *testing.T) bool {
	deadline, limited := t.Deadline()
	return !limited || time.Until(deadline) > 2*time.Minute
}

// killImport goes on with an import and kills it, half of the time while the receiver answers. It
// tells whether the import was faster.
func killImport(t *testing.T, dir string, c *counter) (done bool) {
	cmd, out := importCommand(t, dir, c.URL, "--resume", "--rate", "3000")
	require.NoError(t, cmd.Start())
	kill := func() { _ = cmd.Process.Kill() }
	left := rand.IntN(24) - 11
	c.onRequest(func() {
		if left--; left == 0 {
			kill()
		}
	})
	timer := time.AfterFunc(time.Duration(50+rand.IntN(1200))*time.Millisecond, kill)
	err := cmd.Wait()
	timer.Stop()
	c.onRequest(nil)
	require.Error(t, err)
	if cmd.ProcessState.ExitCode() < 0 {
		return false
	}
	require.Equal(t, 6, cmd.ProcessState.ExitCode(), out)
	return true
}

// Interrupted, it lets the requests under way end, and writes down exactly what has been accepted.
func TestImportIsInterrupted(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a process cannot be interrupted there")
	}
	const lines, users = 6_000, 40
	dir := t.TempDir()
	rejected := importFile(t, dir, lines, users)
	c := newCounter(t)
	cmd, out := importCommand(t, dir, c.URL, "--rate", "2000", "--output", "json", "--progress", "json")
	require.NoError(t, cmd.Start())
	requests := 0
	c.onRequest(func() {
		if requests++; requests == 3 {
			_ = cmd.Process.Signal(os.Interrupt)
			time.Sleep(300 * time.Millisecond) // this one is under way, and must be counted
		}
	})
	require.Error(t, cmd.Wait())
	require.Equal(t, 130, cmd.ProcessState.ExitCode(), out)
	require.Contains(t, out.String(), "run the same command with --resume")
	require.Contains(t, out.String(), `"done":false`)
	require.NotContains(t, out.String(), `"done":true`)
	var stopped struct {
		Complete                           bool
		Events, Accepted, Rejected, Unsent int
	}
	require.NoError(t, json.Unmarshal(documentIn(out), &stopped), out)
	require.False(t, stopped.Complete)
	require.Equal(t, len(c.seen), stopped.Accepted)
	require.Equal(t, stopped.Events, stopped.Accepted+stopped.Rejected+stopped.Unsent)

	c.onRequest(nil)
	cmd, out = importCommand(t, dir, c.URL, "--resume", "--output", "json")
	require.ErrorContains(t, cmd.Run(), "exit status 6", out)
	require.Equal(t, rejected, rejectedLines(t, dir))
	require.Len(t, c.seen, lines-len(rejected))
	requireUsersInOrder(t, c.first)
	var finished struct{ Accepted, Repeated int }
	require.NoError(t, json.Unmarshal(documentIn(out), &finished), out)
	require.Equal(t, len(c.seen), finished.Accepted)
	twice := 0
	for _, n := range c.seen {
		twice += n - 1
	}
	require.Equal(t, twice, finished.Repeated)
}

// documentIn returns the line that is the summary.
func documentIn(out *bytes.Buffer) []byte {
	lines := bytes.Split(out.Bytes(), []byte("\n"))
	i := slices.IndexFunc(lines, func(line []byte) bool { return bytes.HasPrefix(line, []byte(`{"complete"`)) })
	if i < 0 {
		return nil
	}
	return lines[i]
}

// Two at once would write the state and the rejects of each other.
func TestImportRunsOnce(t *testing.T) {
	receiver, dir := newCounter(t), t.TempDir()
	importFile(t, dir, 3000, 10)
	under, held := make(chan struct{}), make(chan struct{})
	var once sync.Once
	receiver.onRequest(func() {
		once.Do(func() { close(under) })
		<-held
	})
	first, _ := importCommand(t, dir, receiver.URL)
	require.NoError(t, first.Start())
	<-under
	second, out := importCommand(t, dir, receiver.URL)
	require.Error(t, second.Run())
	require.Contains(t, out.String(), "another process is importing this")
	third, out := importCommand(t, dir, receiver.URL, "--state", "other.json", "--rejects",
		"./events.ndjson.rejects.ndjson")
	require.Error(t, third.Run())
	require.Contains(t, out.String(), "another process is writing its rejects to the same file")
	close(held)
	require.Error(t, first.Wait(), "it exits with 6, since some lines are rejected")
	require.Equal(t, 6, first.ProcessState.ExitCode())
}
