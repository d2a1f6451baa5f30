package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/segment/emulator"
)

// secretKey is the write key of the scripts. The command exits fails a script in whose output it
// turns up in any form.
const secretKey = "S3cretS3cretS3cretS3cretS3cretS3"

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"segment-blocks": main,
		"panic-in-main": func() {
			os.Args = nil
			main()
		},
		"panic-in-goroutine": func() {
			os.Args = []string{"segment-blocks", "emulator", "--addr", "127.0.0.1:0"}
			time.AfterFunc(100*time.Millisecond, func() { panic("out of order") })
			main()
		},
	})
}

// Exit code 2 says that nothing was sent, so a crash must not end with it, wherever it happens.
func TestCrashIsNoUsageError(t *testing.T) {
	for _, name := range []string{"panic-in-main", "panic-in-goroutine"} {
		path, err := exec.LookPath(name)
		require.NoError(t, err)
		var exit *exec.ExitError
		out, err := exec.Command(path).CombinedOutput()
		require.ErrorAs(t, err, &exit, "%s", out)
		require.NotEqual(t, 2, exit.ExitCode(), "%s", out)
		require.Contains(t, string(out), "panic: ")
	}
}

func TestScripts(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts a process for each of five hundred commands")
	}
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Setup: func(env *testscript.Env) error {
			env.Setenv("KEY", secretKey)
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("XDG_CONFIG_HOME", filepath.Join(env.WorkDir, "config"))
			env.Values[serverKey{}] = &server{}
			return copyExamples(env.WorkDir)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":     exits,
			"interrupt": interrupt,
			"emulator":  startEmulator,
			"fault":     fault,
			"nofaults":  noFaults,
			"events":    events,
			"freeport":  freePort,
			"await":     await,
		},
		RequireExplicitExec: true,
	})
}

func copyExamples(dir string) error {
	files, err := filepath.Glob(filepath.Join("..", "..", "examples", "*.*"))
	if err != nil {
		return err
	}
	// which would configure it
	files = slices.DeleteFunc(files, func(name string) bool { return filepath.Base(name) == "segment-blocks.yaml" })
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(name)), data, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// exits runs a command and demands its exit code: exits 2 segment-blocks run …
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARGUMENT…]")
	}
	got := exitCode(ts, ts.Exec(args[1], args[2:]...))
	if want := args[0]; strconv.Itoa(got) != want {
		ts.Fatalf("exit code is %d, not %s", got, want)
	}
	noSecret(ts, ts.ReadFile("stdout"), ts.ReadFile("stderr"))
}

func exitCode(ts *testscript.TestScript, err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	}
	ts.Fatalf("%v", err)
	return 0
}

func noSecret(ts *testscript.TestScript, outputs ...string) {
	for _, out := range outputs {
		for _, form := range []string{secretKey, base64.StdEncoding.EncodeToString([]byte(secretKey + ":"))[:40]} {
			if strings.Contains(out, form) {
				ts.Fatalf("the output holds the write key:\n%s", out)
			}
		}
	}
}

type serverKey struct{}

// server is the emulator of one script.
type server struct{ *emulator.Server }

func serverOf(ts *testscript.TestScript) *emulator.Server {
	s := ts.Value(serverKey{}).(*server)
	if s.Server == nil {
		ts.Fatalf("no emulator is running")
	}
	return s.Server
}

// startEmulator starts an emulator and sets EMULATOR to its URL: emulator [MODE [KNOWN-KEY]]
func startEmulator(ts *testscript.TestScript, _ bool, args []string) {
	var options []emulator.Option
	if len(args) > 0 {
		options = append(options, emulator.Mode(emulator.AnswerMode(args[0])))
	}
	if len(args) > 1 {
		options = append(options, emulator.KnownWriteKeys(args[1:]...))
	}
	started, err := emulator.Start(options...)
	ts.Check(err)
	ts.Value(serverKey{}).(*server).Server = started
	ts.Setenv("EMULATOR", started.URL)
	ts.Defer(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = started.Close(ctx)
	})
}

// fault makes the next requests fail: fault '{"status": 503, "times": 3}'
func fault(ts *testscript.TestScript, _ bool, args []string) {
	res, err := http.Post(serverOf(ts).URL+"/emulator/v1/faults", "application/json", strings.NewReader(args[0]))
	ts.Check(err)
	defer res.Body.Close()
	if body, _ := io.ReadAll(res.Body); res.StatusCode != http.StatusOK {
		ts.Fatalf("fault: %s", body)
	}
}

// noFaults makes requests succeed again.
func noFaults(ts *testscript.TestScript, _ bool, _ []string) { serverOf(ts).ClearFaults() }

// events writes what the emulator stored to stdout, one message a line.
func events(ts *testscript.TestScript, _ bool, _ []string) {
	out := ts.Stdout()
	for _, e := range serverOf(ts).Events(emulator.Filter{}) {
		var line bytes.Buffer
		ts.Check(json.Compact(&line, e.Message))
		fmt.Fprintln(out, line.String())
	}
}

// interrupt runs a command, interrupts it once the emulator has taken a fault, and demands its exit
// code: interrupt 130 segment-blocks …
func interrupt(ts *testscript.TestScript, _ bool, args []string) {
	path, err := exec.LookPath(args[1])
	ts.Check(err)
	cmd := exec.Command(path, args[2:]...)
	var stdout, stderr bytes.Buffer
	cmd.Dir, cmd.Stdout, cmd.Stderr = ts.MkAbs("."), &stdout, &stderr
	cmd.Env = os.Environ()
	for _, name := range []string{"HOME", "XDG_CONFIG_HOME", "SEGMENT_WRITE_KEY", "SEGMENT_ENDPOINT"} {
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	ts.Check(cmd.Start())
	defer func() { _ = cmd.Process.Kill() }()
	for range 200 {
		if len(serverOf(ts).Faults()) == 0 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	ts.Check(cmd.Process.Signal(os.Interrupt))
	if got := exitCode(ts, cmd.Wait()); strconv.Itoa(got) != args[0] {
		ts.Fatalf("exit code is %d, not %s\n%s", got, args[0], stderr.String())
	}
	noSecret(ts, stdout.String(), stderr.String())
	fmt.Fprint(ts.Stdout(), stdout.String())
	fmt.Fprint(ts.Stderr(), stderr.String())
}

// freePort sets a variable to a port that nothing listens on: freeport PORT
func freePort(ts *testscript.TestScript, _ bool, args []string) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Check(ln.Close())
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	ts.Setenv(args[0], port)
}

// await asks for a URL until it answers, and writes the answer to stdout. With a text, until the
// answer holds it.
func await(ts *testscript.TestScript, _ bool, args []string) {
	want := append(slices.Clone(args), "")[1]
	for range 300 {
		if res, err := http.Get(args[0]); err == nil {
			body, _ := io.ReadAll(res.Body)
			_ = res.Body.Close()
			if strings.Contains(string(body), want) {
				fmt.Fprint(ts.Stdout(), string(body))
				return
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	ts.Fatalf("%s did not answer %s", args[0], want)
}
