// Command load puts a real segment-blocks serve under load and prints three things: the requests
// per second and the latency with 1 to 1,024 clients, the outcomes of invocations while the
// receiver is down, slow, silent or never ends its answer, and whether SIGTERM loses an answer.
// Each part starts its own process with a memory limit, and prints the peak memory of that process.
// All connections stay on 127.0.0.1. The command runs on Linux, and takes about a minute and a
// half.
//
//	go run ./load
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

func main() {
	var o options
	flag.StringVar(&o.binary, "binary", "", "the segment-blocks to run; if empty, it is built from this tree")
	flag.DurationVar(&o.part, "part", 5*time.Second, "how long each part takes")
	flag.IntVar(&o.memory, "memory", 512,
		"the memory limit of the process in MiB, with GOMEMLIMIT at nine tenths of it; 0 for no limit")
	flag.IntVar(&o.virtual, "virtual", 4096, "the limit of its address space in MiB, by ulimit -v; 0 for no limit")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		stop()
		os.Exit(1)
	}
}

type options struct {
	binary          string
	part            time.Duration
	memory, virtual int
}

func run(ctx context.Context, o options) error {
	folder, err := os.MkdirTemp("", "load")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	if o.binary == "" {
		o.binary = filepath.Join(folder, "segment-blocks")
		build := exec.CommandContext(ctx, "go", "build", "-o", o.binary, "./cmd/segment-blocks")
		build.Dir, build.Stderr = "..", os.Stderr
		if err := build.Run(); err != nil {
			return fmt.Errorf("build segment-blocks: %w", err)
		}
	}
	receivers, err := newReceivers(folder)
	if err != nil {
		return err
	}
	defer receivers.close()

	fmt.Println("clients, the receiver answers at once")
	for _, clients := range []int{1, 16, 256, 1024} {
		if err := part(ctx, o, receivers, "fast", clients); err != nil {
			return err
		}
	}
	fmt.Println("\nthe receiver is not well")
	for _, source := range []string{"down", "slow", "silent", "endless"} {
		if err := part(ctx, o, receivers, source, 1500); err != nil { // more than serve accepts at once
			return err
		}
	}
	fmt.Println("\nSIGTERM under load, 256 clients, half of them with a connection for each request")
	for _, source := range []string{"fast", "slow"} {
		if err := terminated(ctx, o, receivers, source); err != nil {
			return err
		}
	}
	return nil
}

// part lets clients invoke at a source for a while. Each client sends its next request as soon as
// the previous one is answered.
func part(ctx context.Context, o options, r *receivers, source string, clients int) error {
	p, err := startServe(ctx, o, r.config)
	if err != nil {
		return err
	}
	defer p.kill()
	t := newTally()
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, o.part)
	defer cancel()
	busy := make(chan string, 1)
	timer := time.AfterFunc(o.part/2, func() {
		busy <- fmt.Sprintf("%d files, health check %s", p.files(), p.healthy())
	})
	defer timer.Stop()
	crowd(clients, func(int) { t.invokeUntil(ctx, p.url, source) })
	fmt.Printf("%8s %5d clients  %s  %s  peak %d MiB, %s\n",
		source, clients, t.rates(time.Since(began)), t.outcomes(), p.peak(), <-busy)
	return nil
}

// terminated stops serve while clients invoke, and counts the requests on accepted connections that
// get no answer.
func terminated(ctx context.Context, o options, r *receivers, source string) error {
	p, err := startServe(ctx, o, r.config)
	if err != nil {
		return err
	}
	defer p.kill()
	t := newTally()
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	signaled := make(chan error, 1)
	timer := time.AfterFunc(2*time.Second, func() { signaled <- p.cmd.Process.Signal(syscall.SIGTERM) })
	defer timer.Stop()
	crowd(256, func(i int) { t.invokeByHand(ctx, p.address(), source, i%2 == 0) })
	if err := <-signaled; err != nil {
		return err
	}
	began := time.Now()
	state, err := p.wait()
	if err != nil {
		return err
	}
	fmt.Printf("%8s  %s  ended with %s after its last client by %s\n", source, t.outcomes(), state,
		time.Since(began).Round(time.Millisecond))
	return nil
}
