// Command bench measures the cost of an event and of a call in CPU time, bytes and memory. It
// compares them with other ways to do the same on the same machine at the same time. Each side runs
// in its own process, and so does the receiver, which counts what arrives. docs/performance.md
// explains the output.
//
//	go run . -only '^batch/raw'
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
)

func main() {
	if runAsChild() {
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// runAsChild runs this process as a worker or as the sink if its arguments say so.
func runAsChild() bool {
	var err error
	switch {
	case len(os.Args) == 2 && os.Args[1] == sinkArgument:
		err = serveSink(os.Stdin, os.Stdout)
	case len(os.Args) == 3 && os.Args[1] == workerArgument:
		err = work(os.Args[2], os.Stdin, os.Stdout)
	default:
		return false
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%q: %v\n", os.Args[1:], err)
		os.Exit(1)
	}
	return true
}

// settings are the values of the flags.
type settings struct {
	only     *regexp.Regexp
	rounds   int
	quick    bool
	large    bool
	asJSON   bool
	list     bool
	svg      string
	profiles string
	node     string
}

func parse(args []string) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	only := flags.String("only", "", "measure only the lines whose names match the regular `expression`")
	flags.IntVar(&s.rounds, "rounds", 0, "measure in `N` rounds instead of as many as each line needs")
	flags.BoolVar(&s.quick, "quick", false, "check in seconds that everything is delivered; the numbers mean nothing")
	flags.BoolVar(&s.large, "large", false, "also import a stream of 10 GB, and build the command with an empty cache")
	flags.BoolVar(&s.asJSON, "json", false, "print one JSON object per line")
	flags.BoolVar(&s.list, "list", false, "print the names and goals of the lines, and measure nothing")
	flags.StringVar(&s.svg, "svg", "", "draw the results of scale into `FILE`")
	flags.StringVar(&s.profiles, "cpuprofile", "", "write a CPU profile of each contender into `FOLDER`")
	flags.StringVar(&s.node, "node", "node", "`folder` in which npm has installed @segment/analytics-node")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	if flags.NArg() > 0 {
		return s, fmt.Errorf("takes flags only: %q", flags.Arg(0))
	}
	var err error
	if s.only, err = regexp.Compile(*only); err != nil {
		return s, fmt.Errorf("-only: %w", err)
	}
	return s, nil
}

func run(ctx context.Context, args []string, out io.Writer) (err error) {
	set, err := parse(args)
	if err != nil {
		return err
	}
	groups := wanted(sections(set), set.only)
	rep := &report{out: out, asJSON: set.asJSON}
	if set.list {
		rep.list(groups)
		return nil
	}
	if len(groups) == 0 {
		return fmt.Errorf("no line matches: %q", set.only)
	}
	rep.machine(factsOf(ctx, set.node), set.quick)
	sink, err := startSink(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, sink.stop()) }()
	b := &bench{settings: set, sink: sink, report: rep}
	for _, g := range groups {
		if err := b.measure(ctx, g); err != nil {
			return fmt.Errorf("%s: %w", g.name, err)
		}
	}
	rep.summary()
	if set.svg != "" {
		if err := draw(set.svg, rep.results); err != nil {
			return err
		}
	}
	return errors.Join(b.miscounts...)
}
