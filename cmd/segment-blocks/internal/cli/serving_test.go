package cli

import (
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
)

// serving runs serve in this process, with an emulator behind it.
type serving struct {
	url            string
	stdout, stderr lockedBuffer

	interrupt context.CancelFunc
	ended     chan int
}

// startServing returns once the server says where it is. It is interrupted at the end of the test.
func startServing(t *testing.T, environ []string, args ...string) *serving {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	s := &serving{interrupt: cancel, ended: make(chan int, 1)}
	p := &Program{Console: &console.Console{
		Args:    append([]string{"serve", "--addr", "127.0.0.1:0", "--output", "json"}, args...),
		Environ: append([]string{"HOME=" + t.TempDir()}, environ...),
		Stdin:   strings.NewReader(""), Stdout: &s.stdout, Stderr: &s.stderr,
	}}
	go func() { s.ended <- Run(ctx, p) }()
	t.Cleanup(func() { s.stop(t) })
	var at struct{ URL string }
	announced := func() bool { return json.Unmarshal([]byte(s.stdout.String()), &at) == nil }
	require.Eventually(t, announced, 10*time.Second, 10*time.Millisecond, "%s", &s.stderr)
	s.url = at.URL
	return s
}

// stop interrupts the server and waits for its end. It may be called more than once.
func (s *serving) stop(t *testing.T) {
	t.Helper()
	s.interrupt()
	select {
	case code := <-s.ended:
		s.ended <- code
		require.Zero(t, code, "%s", &s.stderr)
	case <-time.After(20 * time.Second):
		require.Fail(t, "the server does not stop")
	}
}

// runFor runs a command that is to end by itself, and returns its exit code and what it said.
func runFor(t *testing.T, environ []string, args ...string) (int, string) {
	t.Helper()
	var stderr lockedBuffer
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	p := &Program{
		Console: &console.Console{
			Args:    args,
			Environ: append([]string{"HOME=" + t.TempDir()}, environ...),
			Stdin:   strings.NewReader(""),
			Stdout:  io.Discard,
			Stderr:  &stderr,
		},
	}
	code := Run(ctx, p)
	return code, stderr.String()
}
