package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	analytics "gopkg.in/segmentio/analytics-go.v3"
)

const (
	fewLines, manyLines = 200_000, 2_000_000
	// streamBytes is how many bytes the command reads from a pipe with -large.
	streamBytes = 10e9
)

// imports measures the import of files by the command, from the start of its process to its end.
func imports(set settings) []group {
	few, many := importing("import", fewLines), importing("import 2,000,000", manyLines)
	raw := invoking("batch raw", loadOf(set), rawInput)
	program, script := fileByAnalyticsGo("analytics-go file"), fileByCurl("jq and curl")
	cpu := cpuMillion()
	groups := []group{{
		name: "import", rounds: 5, contenders: []contender{few, raw, program, script},
		lines: []line{
			cpu.of("import", goal{}, "segment-blocks import of 200,000 lines", few.name),
			cpu.of("import/batch", atMost(1.5), "over segment_batch with events in memory",
				few.name).over(ratio, raw.name),
			cpu.of("import/analytics-go", goal{},
				"a program that decodes each line and gives it to analytics-go, in batches of 1000", few.name).
				over(cheaper, program.name),
			cpu.of("import/curl", goal{}, "files of 500 lines, made into batches by jq and posted by curl", few.name).
				over(cheaper, script.name),
		},
	}, {
		name: "import/many", rounds: 2, contenders: []contender{few, many},
		lines: []line{
			megabytes().of("import/many/memory", atMost(1.2),
				"peak memory for 2,000,000 lines, over that for 200,000",
				many.name).over(ratio, few.name),
			cpu.of("import/many/cpu", atMost(1.1),
				"CPU time per line, likewise: earlier lines do not slow down later ones", many.name).
				over(ratio, few.name),
		},
	}}
	if set.large {
		c := importing("import 10 GB", 0)
		groups = append(groups, group{name: "import/10GB", rounds: 1, contenders: []contender{c}, lines: []line{
			megabytes().of("import/10GB/memory", atMost(100), "peak memory to import 10 GB from a pipe", c.name),
			cpu.of("import/10GB/cpu", goal{}, "CPU time to import 10 GB from a pipe", c.name),
		}}, group{name: "build", rounds: 1, contenders: []contender{
			coldBuild("cold build", theCommand), coldBuild("cold net/http", "net/http"),
		}, lines: []line{
			cpuWhole().of("build/cold", atMost(70), "a build of the command with an empty cache", "cold build"),
			cpuWhole().of("build/net/http", goal{}, "over a build of net/http, which every client and server needs",
				"cold build").over(ratio, "cold net/http"),
		}})
	}
	return groups
}

// importing returns a contender that runs the command on a file with a number of lines. If lines is
// 0, the command reads a stream of 10 GB.
func importing(name string, lines int) contender {
	return contender{name: name, many: lines != fewLines, open: func(ctx context.Context, p place) (runner, error) {
		r, folder, err := inFolder(p)
		if err != nil {
			return r, err
		}
		command := filepath.Join(folder, "segment-blocks")
		if _, _, err := runCommand(buildCommand(ctx, command, theCommand), ".."); err != nil {
			return r, err
		}
		kinds := kindsOfLines()
		file := filepath.Join(folder, "events.ndjson")
		args := []string{"import", file, "--restart", "--progress", "none", "--output", "json"}
		sent := lines
		if lines == 0 {
			sent = int(streamBytes) / len(kinds) * linesOfKinds
			args = append(args[:1:1], args[3:]...)
		} else if err := writeLines(file, kinds, lines); err != nil {
			return r, err
		}
		r.run = func(ctx context.Context) (sample, error) {
			cmd := exec.CommandContext(ctx, command, args...)
			cmd.Env = append(os.Environ(), "SEGMENT_WRITE_KEY="+writeKey, "SEGMENT_ENDPOINT="+p.Sink,
				"SEGMENT_BLOCKS_CONFIG=")
			if lines == 0 {
				cmd.Stdin = io.LimitReader(&endless{kinds, 0}, int64(sent/linesOfKinds)*int64(len(kinds)))
			}
			s, stdout, err := runCommand(cmd, folder)
			if err != nil {
				return s, err
			}
			var said struct{ Accepted int }
			if err := json.Unmarshal(stdout, &said); err != nil {
				return s, fmt.Errorf("what import prints: %w", err)
			}
			if said.Accepted != sent {
				return s, fmt.Errorf("import says that %d of %d events were accepted", said.Accepted, sent)
			}
			s.Units, s.Sent = sent, sent
			return s, nil
		}
		return r, nil
	}}
}

const theCommand = "./cmd/segment-blocks"

// buildCommand builds a package to a file. It must run in the folder of the main module.
func buildCommand(ctx context.Context, path, pkg string) *exec.Cmd {
	return exec.CommandContext(ctx, "go", "build", "-o", path, pkg) //nolint:gosec // no user input
}

// coldBuild returns a contender that builds a package with an empty cache, as on a new machine.
func coldBuild(name, pkg string) contender {
	return contender{name: name, open: func(_ context.Context, p place) (runner, error) {
		r, folder, err := inFolder(p)
		r.run = func(ctx context.Context) (sample, error) {
			cmd := buildCommand(ctx, filepath.Join(folder, "built"), pkg)
			cmd.Env = append(os.Environ(), "GOCACHE="+filepath.Join(folder, "cache"))
			s, _, err := runCommand(cmd, "..")
			s.Units = 1
			return s, err
		}
		return r, err
	}}
}

// runCommand runs a process to its end. It returns what the process used and printed.
func runCommand(cmd *exec.Cmd, folder string) (s sample, stdout []byte, err error) {
	cmd.Dir = folder
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	begin := time.Now()
	if stdout, err = cmd.Output(); err != nil {
		return s, nil, fmt.Errorf("%s: %w: %s", cmd.Path, err, stderr.String())
	}
	cpu, peak := endedUsage(cmd.ProcessState)
	return sample{Wall: time.Since(begin).Seconds(), CPU: cpu.Seconds(), Peak: float64(peak)}, stdout, nil
}

// fileByAnalyticsGo returns a contender that reads the file as a program with Segment's own client
// for Go would.
func fileByAnalyticsGo(name string) contender {
	const lines = fewLines / 4
	return contender{name: name, rounds: 3, open: func(_ context.Context, p place) (runner, error) {
		r, folder, err := inFolder(p)
		if err != nil {
			return r, err
		}
		path := filepath.Join(folder, "events.ndjson")
		if err := writeLines(path, kindsOfLines(), lines); err != nil {
			return r, err
		}
		r.run = func(context.Context) (sample, error) {
			file, err := os.Open(path)
			if err != nil {
				return sample{}, err
			}
			defer func() { _ = file.Close() }()
			err = enqueueAll(p.Sink, 1000, func(client analytics.Client) error {
				scanner := bufio.NewScanner(file)
				for scanner.Scan() {
					var track analytics.Track
					if err := json.Unmarshal(scanner.Bytes(), &track); err != nil {
						return err
					}
					if err := client.Enqueue(track); err != nil {
						return err
					}
				}
				return scanner.Err()
			})
			return sample{Units: lines, Sent: lines}, err
		}
		return r, nil
	}}
}

// fileByCurl returns a contender that sends the file as a script would, with its own messageIds.
func fileByCurl(name string) contender {
	const script = `split -l 500 --filter='jq -c -s --arg f "$FILE" ` +
		`"{writeKey: \"$KEY\", batch: [to_entries[] | .value + {messageId: \"\(\$f)-\(.key)\"}]}" | ` +
		`curl -sSf -o /dev/null -H "Content-Type: application/json" --data-binary @- "$URL"' events.ndjson`
	return contender{name: name, rounds: 2, open: func(_ context.Context, p place) (runner, error) {
		r, folder, err := inFolder(p)
		if err != nil {
			return r, err
		}
		for _, tool := range []string{"split", "jq", "curl"} {
			if _, err := exec.LookPath(tool); err != nil {
				return r, skipped("there is no " + tool)
			}
		}
		const lines = fewLines / 10
		if err := writeLines(filepath.Join(folder, "events.ndjson"), kindsOfLines(), lines); err != nil {
			return r, err
		}
		r.run = func(ctx context.Context) (sample, error) {
			cmd := exec.CommandContext(ctx, "sh", "-c", script)
			cmd.Env = append(os.Environ(), "KEY="+writeKey, "URL="+p.Sink+"/v1/batch")
			s, _, err := runCommand(cmd, folder)
			s.Units, s.Sent = lines, lines
			return s, err
		}
		return r, nil
	}}
}

// inFolder returns a runner with a folder, which is removed when the runner is closed. The runner
// is skipped with -quick, which writes no large files.
func inFolder(p place) (r runner, folder string, err error) {
	if p.Quick {
		return r, "", skipped("-quick builds no command and writes no large file")
	}
	folder, err = os.MkdirTemp("", "segment-blocks-bench-")
	r.close = func() { _ = os.RemoveAll(folder) }
	return r, folder, err
}

// linesOfKinds is the number of different lines in a file. It is small because the system counts
// the memory of the worker that starts the command as a minimum of the command's own.
const linesOfKinds = 2_000

func kindsOfLines() []byte {
	var kinds []byte
	for _, e := range makeEvents(linesOfKinds, usual()) {
		kinds = append(append(kinds, e.message()...), '\n')
	}
	return kinds
}

// writeLines writes a file with a number of lines, which must be a multiple of the number of kinds.
func writeLines(path string, kinds []byte, lines int) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = io.CopyN(file, &endless{kinds, 0}, int64(lines/linesOfKinds)*int64(len(kinds)))
	return errors.Join(err, file.Close())
}

// endless reads the same text over and over.
type endless struct {
	text []byte
	at   int
}

func (e *endless) Read(p []byte) (int, error) {
	n := copy(p, e.text[e.at:])
	e.at = (e.at + n) % len(e.text)
	return n, nil
}
