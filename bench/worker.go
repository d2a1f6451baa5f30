package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"time"
)

// workerArgument makes the program a worker for the contender that the next argument names.
const workerArgument = "worker"

// place is the environment of a contender. It is the first question to the contender's worker.
type place struct {
	Sink, TLS string // addresses of the receiver
	Quick     bool
	Node      string // the folder of Segment's client for Node
	Profiles  string // the folder for CPU profiles, or ""
}

// opened is the answer to a place.
type opened struct {
	Skipped string // why the contender cannot run here, or ""
}

// sample is the cost of one run, measured in the contender's own process.
type sample struct {
	// Units is the number of events or calls by which the cost is divided.
	Units int
	// Sent is the number of events that the sink must have counted, and Distinct is the number of
	// their different messageIds.
	Sent, Distinct int
	// Stored is the number of events that a store has acknowledged, and Found is the number in its
	// file.
	Stored, Found int

	Wall, CPU       float64 // seconds
	Allocated, Peak float64 // bytes; Peak is the most that the process has ever held
	Written         float64 // bytes to the disk
	P50, P99, Max   float64 // latency of a call in microseconds
	Ratio           float64 // the size of a file over the size of the messages in it
}

// runner is a contender that is ready.
type runner struct {
	prepare func() error // before each run, not measured; may be nil
	run     func(ctx context.Context) (sample, error)
	check   func(s *sample) error // after each run, not measured; may be nil
	close   func()                // may be nil
}

// skipped is why a contender cannot run here.
type skipped string

func (s skipped) Error() string { return string(s) }

// work opens a contender, and runs it once for each question.
func work(name string, in io.Reader, out io.Writer) (err error) {
	ctx := context.Background()
	var r runner
	ready := false
	var stop func() error
	err = loop(in, out, func(p place) (any, error) {
		if ready {
			return r.once(ctx)
		}
		ready = true
		c, ok := find(name, p.Quick)
		if !ok {
			return nil, fmt.Errorf("there is no contender of this name: %q", name)
		}
		var missing skipped
		if r, err = c.open(ctx, p); errors.As(err, &missing) {
			return opened{Skipped: missing.Error()}, nil
		}
		if err == nil && p.Profiles != "" {
			stop, err = profile(filepath.Join(p.Profiles, url.PathEscape(name)+".pprof"))
		}
		return opened{}, err
	})
	if r.close != nil {
		r.close()
	}
	if stop != nil {
		err = errors.Join(err, stop())
	}
	return err
}

// once runs the contender. What the contender does not measure itself is measured for this process.
func (r runner) once(ctx context.Context) (sample, error) {
	if r.prepare != nil {
		if err := r.prepare(); err != nil {
			return sample{}, fmt.Errorf("prepare: %w", err)
		}
	}
	runtime.GC()
	before, written, begin := usageNow(), writtenNow(), time.Now()
	s, err := r.run(ctx)
	if err != nil {
		return s, err
	}
	if s.CPU == 0 {
		after := usageNow()
		s.Wall, s.CPU = time.Since(begin).Seconds(), after.cpu-before.cpu
		s.Allocated, s.Peak = after.allocated-before.allocated, after.peak
		s.Written = writtenNow() - written
	}
	if r.check != nil {
		err = r.check(&s)
	}
	return s, err
}

// usage is what this process has used so far.
type usage struct{ cpu, allocated, peak float64 }

func usageNow() usage {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	cpu, peak := processUsage()
	return usage{cpu.Seconds(), float64(m.TotalAlloc), float64(peak)}
}

// writtenNow returns how many bytes this process has written to disks, if Linux reports it.
func writtenNow() float64 {
	data, err := os.ReadFile("/proc/self/io")
	if err != nil {
		return 0
	}
	var written float64
	for _, line := range splitLines(data) {
		_, _ = fmt.Sscanf(line, "write_bytes: %f", &written)
	}
	return written
}

func profile(path string) (stop func() error, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, err
	}
	file, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return nil, errors.Join(fmt.Errorf("profile: %w", err), file.Close())
	}
	return func() error {
		pprof.StopCPUProfile()
		return file.Close()
	}, nil
}
