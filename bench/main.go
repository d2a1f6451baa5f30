// Command bench measures segment-blocks against other ways to do the same, and says which of its
// goals are met:
//
//	cd bench && go run .
//
// Each line is a ratio of two things that ran in turns on the same machine: the median over all
// rounds. Absolute numbers stand beside it to give an idea, and mean little elsewhere. What was
// sent is counted by a receiver in a process of its own; a count that is wrong makes the program
// fail, a goal that is missed does not. docs/performance.md says what the lines mean.
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
	"runtime/pprof"
)

func main() {
	if runAsSink() || runAsChild() {
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// settings are what the flags say.
type settings struct {
	only       *regexp.Regexp
	rounds     int
	quick      bool
	asJSON     bool
	list       bool
	svg        string
	cpuprofile string
	node       string
}

func parse(args []string) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	only := flags.String("only", "", "measure only the lines whose names match the regular `expression`")
	flags.IntVar(&s.rounds, "rounds", 0, "measure in `N` rounds instead of as many as each line needs")
	flags.BoolVar(&s.quick, "quick", false, "take seconds, for numbers that mean nothing: is everything delivered?")
	flags.BoolVar(&s.asJSON, "json", false, "print one JSON object a line")
	flags.BoolVar(&s.list, "list", false, "print the names and goals of the lines, measure nothing")
	flags.StringVar(&s.svg, "svg", "", "draw what scale measures into `FILE`")
	flags.StringVar(&s.cpuprofile, "cpuprofile", "",
		"write a CPU profile into `FILE`; its label contender says whose time it is")
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
		return fmt.Errorf("start the sink: %w", err)
	}
	defer func() { err = errors.Join(err, sink.stop()) }()
	if set.cpuprofile != "" {
		file, err := os.Create(set.cpuprofile)
		if err != nil {
			return err
		}
		defer func() { _ = file.Close() }()
		if err := pprof.StartCPUProfile(file); err != nil {
			return fmt.Errorf("profile: %w", err)
		}
		defer pprof.StopCPUProfile()
	}
	b := &bench{settings: set, sink: sink, report: rep}
	for _, g := range groups {
		if err := b.measure(ctx, g); err != nil {
			return fmt.Errorf("%s: %w", g.name, err)
		}
	}
	rep.summary()
	return errors.Join(b.miscounts...)
}
