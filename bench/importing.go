package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const (
	importedLines, manyLines = 200_000, 1_000_000
	// childArgument makes the program run a command and say what it took.
	childArgument = "child"
)

// imports measures the import of files by the command.
func imports(set settings) []group {
	l := loadOf(set)
	peers := []string{"analytics-go 250", "analytics-go 1000"}
	return []group{
		{
			name: "import/rate", rounds: 5,
			contenders: []contender{
				importing("import", importedLines, ratePerSecond), invokingBatches("batch raw", l, timeLayout, rawInputs, ""),
				analyticsGo(peers[0], l, 250), analyticsGo(peers[1], l, 1000),
			},
			lines: []line{
				{
					name: "import/rate", goal: none(times), unit: "events/s", ours: "import", theirs: peers, more: true,
					against: "analytics-go, the faster of batches of 250 (its default) and 1000, which has its events in memory",
				},
				{
					name: "import/rate/batch", goal: none(percent), unit: "events/s", ours: "import", theirs: []string{"batch raw"},
					more:    true,
					against: "segment_batch of inputs in memory, as batch/raw",
				},
			},
		},
		{
			name: "import/memory", rounds: 1,
			contenders: []contender{importing("import 1,000,000", manyLines, peakMegabytes)},
			lines: []line{{
				name: "import/memory", goal: atMost(100, count), unit: "MB", ours: "import 1,000,000",
				against: "the most memory that the process held while it imported 1,000,000 lines of 500 bytes",
			}},
		},
	}
}

// childReport is what a command took.
type childReport struct {
	Seconds    float64 `json:"seconds"`
	PeakMemory int64   `json:"peakMemory"`
}

func ratePerSecond(lines int, r childReport) float64 { return float64(lines) / r.Seconds }

func peakMegabytes(_ int, r childReport) float64 { return float64(r.PeakMemory) / 1e6 }

// importing runs the command as a process, from its start to its end.
func importing(name string, lines int, value func(lines int, r childReport) float64) contender {
	return contender{name: name, open: func(ctx context.Context, b *bench) (r runner, err error) {
		if b.quick {
			return runner{}, skipped("-quick builds no command and writes no large file")
		}
		folder, err := os.MkdirTemp("", "segment-blocks-bench-")
		if err != nil {
			return runner{}, err
		}
		remove := func() { _ = os.RemoveAll(folder) }
		defer func() {
			if err != nil {
				remove()
			}
		}()
		command, err := buildCommand(ctx, folder)
		if err != nil {
			return runner{}, err
		}
		file := filepath.Join(folder, "events.ndjson")
		if err := writeLines(file, lines); err != nil {
			return runner{}, err
		}
		return runner{
			many: lines > importedLines,
			run: func(ctx context.Context) (sample, error) {
				took, err := runImport(ctx, b.sink.url, folder, lines, command, "import", file, "--restart", "--progress", "none",
					"--output", "json")
				return sample{value: value(lines, took), sent: lines}, err
			},
			close: remove,
		}, nil
	}}
}

// buildCommand builds segment-blocks, from the folder in which the module is.
func buildCommand(ctx context.Context, folder string) (string, error) {
	module, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}",
		"github.com/aacflow/segment-blocks").Output()
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	path := filepath.Join(folder, "segment-blocks")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", path, "./cmd/segment-blocks") //nolint:gosec // path is made here
	cmd.Dir = strings.TrimSpace(string(module))
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w: %s", err, out)
	}
	return path, nil
}

// writeLines writes a file of events, 20,000 of them different.
func writeLines(path string, lines int) error {
	var kinds [][]byte
	for _, e := range makeEvents(batchKinds) {
		kinds = append(kinds, []byte(e.json(timeLayout)+"\n"))
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(file, 1<<20)
	for i := range lines {
		if _, err := w.Write(kinds[i%len(kinds)]); err != nil {
			return errors.Join(err, file.Close())
		}
	}
	return errors.Join(w.Flush(), file.Close())
}

// runImport runs the command with nothing but the settings that it needs. Another process starts
// it: one that this large process starts itself would be taken to have held as much memory as this
// one does.
func runImport(ctx context.Context, url, folder string, lines int, args ...string) (took childReport, err error) {
	self, err := os.Executable()
	if err != nil {
		return took, err
	}
	report := filepath.Join(folder, "child.json")
	//nolint:gosec // it is this program
	cmd := exec.CommandContext(ctx, self, append([]string{childArgument, report}, args...)...)
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), "SEGMENT_WRITE_KEY="+writeKey, "SEGMENT_ENDPOINT="+url, "SEGMENT_BLOCKS_CONFIG=")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return took, fmt.Errorf("%w: %s", err, stderr.String())
	}
	var said struct{ Accepted int }
	if err := json.Unmarshal(stdout.Bytes(), &said); err != nil {
		return took, fmt.Errorf("what import prints: %w", err)
	}
	if said.Accepted != lines {
		return took, fmt.Errorf("import says that %d of %d events were accepted", said.Accepted, lines)
	}
	data, err := os.ReadFile(report)
	if err != nil {
		return took, err
	}
	return took, json.Unmarshal(data, &took)
}

// runAsChild runs a command, if this process was started to do so, and writes down what it took.
func runAsChild() bool {
	if len(os.Args) < 4 || os.Args[1] != childArgument {
		return false
	}
	if err := runCommand(os.Args[2], os.Args[3], os.Args[4:]); err != nil {
		fmt.Fprintln(os.Stderr, "child:", err)
		os.Exit(1)
	}
	return true
}

func runCommand(report, command string, args []string) error {
	cmd := exec.CommandContext(context.Background(), command, args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	begin := time.Now()
	if err := cmd.Run(); err != nil {
		return err
	}
	data, err := json.Marshal(childReport{time.Since(begin).Seconds(), peakMemory(cmd.ProcessState)})
	if err != nil {
		return err
	}
	return os.WriteFile(report, data, 0o600)
}
