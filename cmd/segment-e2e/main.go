// Command segment-e2e speaks the protocol of Segment's end-to-end harness for its libraries
// (github.com/segmentio/sdk-e2e-tests), so that the harness can test the blocks as it tests
// Segment's own libraries:
//
//	cd cmd/segment-e2e && go run . --input '{
//	  "writeKey": "any-key", "apiHost": "http://127.0.0.1:4010",
//	  "sequences": [{"delayMs": 0, "events": [{"type": "page", "name": "Test", "userId": "u1"}]}]}'
//
// It sends sequences of events through the block segment_batch. Each sequence waits delayMs and
// then queues its events. The queue is sent when it holds config.flushAt events (15), when the
// oldest has waited config.flushInterval milliseconds (10,000), and at the end. config.maxRetries,
// and in seconds config.timeout, maxTotalBackoffDuration and maxRateLimitDuration, bound the
// attempts for each batch. An event that Segment would drop is reported and left out. The others
// are sent.
//
// The program prints one line of JSON to stdout: {"success":true,"sentBatches":1}, or success false
// with an error. It logs to stderr. The exit code is 0 for success, 130 after an interrupt and 1
// otherwise.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/aacflow/segment-blocks/blocks"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/runtime/retry"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// input is what the harness passes. Unknown members are ignored, as the harness expects.
type input struct {
	WriteKey  string `json:"writeKey"`
	APIHost   string `json:"apiHost"`
	Sequences []struct {
		DelayMS float64           `json:"delayMs"`
		Events  []json.RawMessage `json:"events"`
	} `json:"sequences"`
	Config config `json:"config"`
}

// config has pointers where 0 differs from an absent member: 0 means no retries or no time, and an
// absent member means the default.
type config struct {
	FlushAt                 int      `json:"flushAt"`
	FlushInterval           float64  `json:"flushInterval"` // milliseconds
	MaxRetries              *float64 `json:"maxRetries"`
	Timeout                 *float64 `json:"timeout"`                 // seconds, for one attempt
	MaxTotalBackoffDuration *float64 `json:"maxTotalBackoffDuration"` // seconds
	MaxRateLimitDuration    *float64 `json:"maxRateLimitDuration"`    // seconds
}

// result is the one line that the harness reads.
type result struct {
	Success     bool   `json:"success"`
	SentBatches int    `json:"sentBatches"`
	Error       string `json:"error,omitempty"`
}

// run prints the result, also for a failure, because the harness reads stdout and not only the exit
// code. It returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	batches, err := send(ctx, args, stderr)
	r := result{Success: err == nil, SentBatches: batches}
	if err != nil {
		r.Error = err.Error()
		_, _ = fmt.Fprintln(stderr, r.Error)
	}
	line, _ := json.Marshal(r) // a struct of a bool, an int and a string
	if _, err := fmt.Fprintf(stdout, "%s\n", line); err != nil {
		return 1
	}
	switch {
	case ctx.Err() != nil:
		return 130
	case !r.Success:
		return 1
	}
	return 0
}

// send plays the sequences through a runtime of its own and returns how many batches were accepted.
func send(ctx context.Context, args []string, stderr io.Writer) (batches int, err error) {
	flags := flag.NewFlagSet("segment-e2e", flag.ContinueOnError)
	flags.SetOutput(stderr)
	text := flags.String("input", "", "the harness's `JSON`")
	if err := flags.Parse(args); err != nil {
		return 0, err
	}
	var in input
	if err := json.Unmarshal([]byte(*text), &in); err != nil {
		return 0, fmt.Errorf("--input must be what the harness sends: %w", err)
	}
	// Without a key, the runtime would fail each batch, but only after the delays.
	if in.WriteKey == "" {
		return 0, errors.New("the input has no writeKey")
	}
	policy, err := in.Config.policy()
	if err != nil {
		return 0, err
	}
	reg := registry.New()
	if err := blocks.Register(reg); err != nil {
		return 0, err
	}
	rt, err := runtime.New(reg, runtime.Source("e2e", tracking.Source{
		WriteKey:      tracking.WriteKey(in.WriteKey),
		Endpoint:      in.APIHost,
		AllowInsecure: true, // the harness's server may be anywhere, and its keys are no secrets
		Retry:         policy,
	}))
	if err != nil {
		return 0, err
	}
	defer func() { _ = rt.Close(context.WithoutCancel(ctx)) }()
	q := &queue{
		runtime: rt, log: log.New(stderr, "", 0), size: cmp.Or(max(0, in.Config.FlushAt), 15),
		interval: cmp.Or(time.Duration(max(0, in.Config.FlushInterval)*float64(time.Millisecond)), 10*time.Second),
	}
	return q.play(ctx, in)
}

// policy converts the harness's bounds into ours. In ours, 0 means the default, and a negative
// value means none.
func (c config) policy() (p retry.Policy, err error) {
	bound := func(name string, value *float64, unit time.Duration) time.Duration {
		switch {
		case value == nil:
			return 0
		case *value < 0:
			err = cmp.Or(err, fmt.Errorf("config.%s must not be negative: %v", name, *value))
		}
		return cmp.Or(time.Duration(*value*float64(unit)), -1)
	}
	p.MaxRetries = int(bound("maxRetries", c.MaxRetries, 1))
	p.AttemptTimeout = bound("timeout", c.Timeout, time.Second)
	p.Budget = bound("maxTotalBackoffDuration", c.MaxTotalBackoffDuration, time.Second)
	p.RateLimitBudget = bound("maxRateLimitDuration", c.MaxRateLimitDuration, time.Second)
	return p, err
}
