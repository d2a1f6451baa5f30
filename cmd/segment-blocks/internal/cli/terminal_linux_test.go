package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/segment/emulator"
)

// terminal returns the two ends of a terminal: the screen, and what a program writes to.
func terminal(t *testing.T) (screen, program *os.File) {
	t.Helper()
	screen, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip(err)
	}
	var number, lock int32
	for request, value := range map[uintptr]*int32{syscall.TIOCGPTN: &number, syscall.TIOCSPTLCK: &lock} {
		at := uintptr(unsafe.Pointer(value)) //nolint:gosec // as ioctl wants it
		_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, screen.Fd(), request, at)
		require.Zero(t, errno)
	}
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = screen.Close() })
	return screen, program
}

// On a terminal run says what it waits for; elsewhere it is silent.
func TestRunShowsRetries(t *testing.T) {
	segment, err := emulator.Start()
	require.NoError(t, err)
	defer func() { require.NoError(t, segment.Close(context.Background())) }()
	run := func(stderr io.Writer) {
		t.Helper()
		busy := emulator.Fault{Status: http.StatusServiceUnavailable}
		require.NoError(t, segment.Script(busy, emulator.Fault{Reset: true}))
		p := &Program{Console: &console.Console{
			Args: []string{"run", "segment_alias", "--input", `{"userId":"u-42","previousId":"u-41"}`},
			Environ: []string{
				"HOME=" + t.TempDir(), "SEGMENT_ENDPOINT=" + segment.URL, "SEGMENT_WRITE_KEY=" + placeholderKey,
			},
			Stdin: strings.NewReader(""), Stdout: io.Discard, Stderr: stderr,
		}}
		require.Zero(t, Run(t.Context(), p))
	}
	screen, program := terminal(t)
	shown := make(chan string)
	go func() {
		text, _ := io.ReadAll(screen) // it ends with an error once the program's end is closed
		shown <- string(text)
	}()
	run(program)
	require.NoError(t, program.Close())
	text := <-shown
	require.Regexp(t, `(?m)^the receiver answered 503; attempt 2 of 11 begins in [0-9.]+ s\r$`, text)
	require.Regexp(t, `(?m)^\S.*; attempt 3 of 11 begins`, text)

	var quiet bytes.Buffer
	run(&quiet)
	require.Empty(t, quiet.String())
}

// Color is for terminals, unless NO_COLOR is set.
func TestColor(t *testing.T) {
	for environ, want := range map[string]string{"TERM=xterm": "\x1b[31merror:\x1b[0m ", "NO_COLOR=1": "error: "} {
		screen, program := terminal(t)
		p := &Program{Console: &console.Console{
			Args: []string{"runn"}, Environ: []string{environ}, Stdout: io.Discard, Stderr: program,
		}}
		require.NotZero(t, Run(t.Context(), p))
		require.NoError(t, program.Close())
		text, _ := io.ReadAll(screen)
		require.True(t, strings.HasPrefix(string(text), want+`"runn" is not a command`), "%q", text)
	}
	var piped bytes.Buffer
	require.NotZero(t, Run(t.Context(), &Program{Console: &console.Console{
		Args: []string{"runn"}, Stdout: io.Discard, Stderr: &piped,
	}}))
	require.NotContains(t, piped.String(), "\x1b")
}
