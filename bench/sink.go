package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
)

// sink is the receiver, in a process of its own, so that its work is not taken for ours.
type sink struct {
	url   string
	cmd   *exec.Cmd
	stdin io.WriteCloser
}

// runAsSink makes this process a sink, if it was started to be one, and reports whether it was.
func runAsSink() bool {
	if len(os.Args) != 2 || os.Args[1] != sinkArgument {
		return false
	}
	if err := serveSink(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "sink:", err)
		os.Exit(1)
	}
	return true
}

func startSink(ctx context.Context) (*sink, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), self, sinkArgument) //nolint:gosec // it is this program
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &sink{cmd: cmd, stdin: stdin}
	address, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("read its address: %w", err)
	}
	s.url = strings.TrimSpace(address)
	return s, nil
}

// stop ends the sink, as the end of this program would.
func (s *sink) stop() error {
	_ = s.stdin.Close()
	return s.cmd.Wait()
}

// reset makes the sink count from nothing; verify makes it slow, and look at every messageId.
func (s *sink) reset(ctx context.Context, verify bool) error {
	url := s.url + "/reset"
	if verify {
		url += "?verify"
	}
	_, err := s.get(ctx, url)
	return err
}

func (s *sink) counts(ctx context.Context) (counts, error) {
	var got counts
	data, err := s.get(ctx, s.url+"/counts")
	if err != nil {
		return got, err
	}
	return got, json.Unmarshal(data, &got)
}

func (s *sink) get(ctx context.Context, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("the sink answered %d: %s", resp.StatusCode, strings.TrimSpace(string(data)))
	}
	return data, err
}
