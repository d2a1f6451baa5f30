package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
)

// These are secrets of a worker, which must not get anywhere else.
const (
	writeKey = "plantedWriteKeyThatMustNotLeave1"
	token    = "plantedTokenThatMustNotLeave"
	// payloadKeys encrypt what Temporal stores, if a test asks for it.
	payloadKeys = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc="
)

// TestMain lets this binary act as the command, so that tests can kill the command.
func TestMain(m *testing.M) {
	if os.Getenv("BE_SEGMENT_BLOCKS_WORKER") == "1" {
		main()
		return
	}
	_ = os.Setenv("PAYLOAD_KEYS", payloadKeys)
	os.Exit(m.Run())
}

// temporalServer is a real Temporal server in its own process.
type temporalServer struct {
	path, file, port string
	process          *exec.Cmd
	client.Client
}

// needTemporal returns the path of Temporal's command, or skips the test if there is none.
func needTemporal(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("temporal")
	if err != nil {
		const says = "the temporal command is not installed: go install github.com/temporalio/cli/cmd/temporal@v1.5.1"
		if os.Getenv("SEGMENT_BLOCKS_REQUIRE_CLIENTS") == "1" {
			require.FailNow(t, says)
		}
		t.Skip(says)
	}
	return path
}

// startTemporal starts a server, or skips the test if Temporal's command is missing. Another
// process may take the free port, or one of those that the server chooses, so it tries several
// times.
func startTemporal(t *testing.T, args ...string) *temporalServer {
	t.Helper()
	path := needTemporal(t)
	for range 4 {
		s := &temporalServer{path: path, file: filepath.Join(t.TempDir(), "temporal.db"), port: freePort(t)}
		if s.start(t, args...) {
			t.Cleanup(func() {
				s.Close()
				s.kill(t)
			})
			return s
		}
		s.kill(t)
	}
	require.FailNow(t, "no Temporal server started")
	return nil
}

func freePort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	_, port, err := net.SplitHostPort(ln.Addr().String())
	require.NoError(t, err)
	return port
}

// start starts the server, and reports whether it answers within half a minute.
func (s *temporalServer) start(t *testing.T, args ...string) bool {
	t.Helper()
	args = append([]string{"server", "start-dev", "--headless", "--db-filename", s.file, "--port", s.port}, args...)
	s.process = exec.Command(s.path, args...)
	s.process.Env = append(os.Environ(), "HOME="+filepath.Dir(s.file))
	require.NoError(t, s.process.Start())
	answers := func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		c, err := client.DialContext(ctx, client.Options{HostPort: s.address(), Logger: quiet{}})
		if err != nil {
			return false
		}
		if _, err = c.DescribeTaskQueue(ctx, "any", 1); err != nil {
			c.Close()
			return false
		}
		s.Client = c
		return true
	}
	for until := time.Now().Add(30 * time.Second); time.Now().Before(until); time.Sleep(100 * time.Millisecond) {
		if answers() {
			return true
		}
	}
	return false
}

func (s *temporalServer) address() string { return "127.0.0.1:" + s.port }

func (s *temporalServer) kill(t *testing.T) {
	t.Helper()
	require.NoError(t, s.process.Process.Kill())
	_ = s.process.Wait() // it was killed
}

// quiet is a logger that discards everything.
type quiet struct{}

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(string, ...any) {}

// command returns this program as a command that sends to an endpoint, and the buffer for its
// stderr.
func command(t *testing.T, endpoint string, args ...string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.Command(os.Args[0], args...)
	cmd.Stderr = &stderr
	cmd.Env = []string{
		"BE_SEGMENT_BLOCKS_WORKER=1", "HOME=" + t.TempDir(), "TOKEN=" + token, "PAYLOAD_KEYS=" + payloadKeys,
		"SEGMENT_WRITE_KEY=" + writeKey, "SEGMENT_ENDPOINT=" + endpoint,
	}
	return cmd, &stderr
}

// startWorker starts a worker in its own process. The worker is killed at the end of the test at
// the latest.
func startWorker(t *testing.T, s *temporalServer, endpoint, queue string, more ...string) *exec.Cmd {
	t.Helper()
	cmd, stderr := command(t, endpoint,
		append([]string{"serve", "--address", s.address(), "--task-queue", queue, "--env", "TOKEN"}, more...)...)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(stderr.String())
		}
		require.NotContains(t, stderr.String(), writeKey)
	})
	return cmd
}

// runCommand runs a command to its end in this process.
func runCommand(ctx context.Context, args ...string) (stdout, stderr string, err error) {
	var out, errs bytes.Buffer
	cmd := newCommand()
	cmd.SetOut(&out)
	cmd.SetErr(&errs)
	cmd.SetArgs(args)
	err = cmd.ExecuteContext(ctx)
	return out.String(), errs.String(), err
}

func TestServerThatIsNotThere(t *testing.T) {
	address := "127.0.0.1:" + freePort(t)
	_, _, err := runCommand(t.Context(), "run", "--file", "../../testdata/kill.workflow.yaml", "--env", "TOKEN",
		"--address", address)
	require.ErrorContains(t, err, "no Temporal server answers at "+address+": start one with \"temporal server")
	require.Equal(t, 1, exitCode(err))
}

func TestWorkerWithoutKey(t *testing.T) {
	file := filepath.Join(t.TempDir(), "segment-blocks.yaml")
	require.NoError(t, os.WriteFile(file, []byte("sources: {prod: {writeKeyEnv: PROD_KEY, region: eu}}"), 0o600))
	_, _, err := runCommand(t.Context(), "serve", "--config", file)
	require.ErrorContains(t, err, `source "prod" has no write key: the environment variable PROD_KEY is not set`)
}

func TestFaultyFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "faulty.workflow.yaml")
	require.NoError(t, os.WriteFile(file, []byte(`name: faulty
nodes:
  a: {block: segment_trak, with: {}}
  b: {block: segment_track, with: {userId: <c.userId>, event: E}}
`), 0o600))
	_, _, err := runCommand(t.Context(), "run", "--file", file, "--address", "127.0.0.1:1")
	require.ErrorContains(t, err, "3:")
	require.ErrorContains(t, err, "segment_trak")
	require.ErrorContains(t, err, "<c.userId> names no node")
	require.Equal(t, 2, exitCode(err))

	large := fmt.Sprintf("name: large\nstart: {a: %q}\nnodes: {a: {with: {b: <start.a>}}}",
		strings.Repeat("x", 2_090_000))
	require.NoError(t, os.WriteFile(file, []byte(large), 0o600))
	_, _, err = runCommand(t.Context(), "run", "--file", file, "--address", "127.0.0.1:1")
	require.ErrorContains(t, err, "and Temporal takes 2080768")
}

var errTimeout = errors.New("the workflow did not end")

// patiently returns a context with a long timeout, for workflows.
func patiently(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), 3*time.Minute, errTimeout)
	t.Cleanup(cancel)
	return ctx
}
