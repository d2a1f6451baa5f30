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
	"strconv"
	"strings"
	"time"
)

// process is a running segment-blocks serve.
type process struct {
	cmd *exec.Cmd
	url string
}

func startServe(ctx context.Context, o options, config string) (*process, error) {
	script := `exec "$0" serve --config "$1" --addr 127.0.0.1:0 --client-rate 0 --quiet --output json`
	if o.virtual > 0 {
		script = fmt.Sprintf("ulimit -v %d; ", o.virtual<<10) + script
	}
	cmd := exec.CommandContext(ctx, "sh", "-c", script, o.binary, config)
	cmd.Env = append(os.Environ(), "LOAD_WRITE_KEY=load-write-key-of-no-source")
	if o.memory > 0 {
		cmd.Env = append(cmd.Env, fmt.Sprintf("GOMEMLIMIT=%dMiB", o.memory*9/10))
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	var said struct {
		URL string `json:"url"`
	}
	if err := json.NewDecoder(bufio.NewReader(out)).Decode(&said); err != nil {
		_ = cmd.Process.Kill()
		return nil, fmt.Errorf("segment-blocks serve did not start: %w", err)
	}
	return &process{cmd, said.URL}, nil
}

func (p *process) address() string { return strings.TrimPrefix(p.url, "http://") }

func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// wait waits for the process to end by itself, and returns how it ended.
func (p *process) wait() (string, error) {
	err := p.cmd.Wait()
	if p.cmd.ProcessState == nil {
		return "", err
	}
	return p.cmd.ProcessState.String(), nil
}

// peak returns the largest resident set of the process so far, in MiB.
func (p *process) peak() int {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	for line := range strings.Lines(string(status)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "VmHWM:" {
			kib, _ := strconv.Atoi(fields[1])
			return kib >> 10
		}
	}
	return 0
}

// files returns the number of file descriptors that the process has open.
func (p *process) files() int {
	entries, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid))
	return len(entries)
}

// healthy makes a health check on a new connection, and returns its status and duration.
func (p *process) healthy() string {
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	began := time.Now()
	res, err := client.Get(p.url + "/healthz")
	if err != nil {
		return err.Error()
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	return fmt.Sprintf("%d after %s", res.StatusCode, time.Since(began).Round(time.Microsecond))
}
