package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/runtime/retry"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

// e2eInput is what Segment's test harness for its libraries passes. Unknown members are ignored, as the harness expects.
type e2eInput struct {
	WriteKey  string `json:"writeKey"`
	APIHost   string `json:"apiHost"`
	Sequences []struct {
		DelayMS float64           `json:"delayMs"`
		Events  []json.RawMessage `json:"events"`
	} `json:"sequences"`
	Config e2eConfig `json:"config"`
}

// e2eConfig distinguishes what is 0 from what is left out.
type e2eConfig struct {
	FlushAt                 *int     `json:"flushAt"`
	FlushInterval           *float64 `json:"flushInterval"` // milliseconds
	MaxRetries              *int     `json:"maxRetries"`
	Timeout                 *float64 `json:"timeout"`                 // seconds, for one request
	MaxTotalBackoffDuration *float64 `json:"maxTotalBackoffDuration"` // seconds
	MaxRateLimitDuration    *float64 `json:"maxRateLimitDuration"`    // seconds
}

// e2eOutput is the one line that the harness reads.
type e2eOutput struct {
	Success     bool   `json:"success"`
	SentBatches int    `json:"sentBatches"`
	Error       string `json:"error,omitempty"`
}

func newE2E(p *Program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "e2e --input JSON",
		Short: "Speak the protocol of Segment's test harness for its libraries",
		Long: `Send sequences of events as Segment's end-to-end harness for its libraries asks, through the block segment_batch, and print one
line of JSON: {"success":true,"sentBatches":1}, or success false with an error. What happens meanwhile is told on
stderr. The exit code is 0 for success and 1 for anything else.

Each sequence waits delayMs and then queues its events. The queue is sent when it holds config.flushAt events (15), when
the oldest has waited config.flushInterval milliseconds (10,000), and at the end. config.maxRetries, and in seconds
config.timeout, maxTotalBackoffDuration and maxRateLimitDuration, bound what is tried for each batch. An event that
Segment would drop is reported and left out; the others are sent.

Configuration files and environment variables play no part: the input says everything.`,
		Example: `  segment-blocks e2e --input '{"writeKey": "any-write-key", "apiHost": "http://127.0.0.1:4010",
    "sequences": [{"delayMs": 0, "events": [{"type": "track", "event": "Test", "userId": "u1"}]}]}'`,
		Args: noArguments,
	}
	value := addInput(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		out := p.e2e(cmd, *value)
		if out.Error != "" {
			p.Note("%s", out.Error)
		}
		line, err := json.Marshal(out)
		if err != nil {
			return console.Failed("cannot print the result: %w", err)
		}
		console.Writeln(p.Stdout, string(line))
		switch {
		case cmd.Context().Err() != nil:
			return console.End(console.ExitInterrupted)
		case !out.Success:
			return console.End(console.ExitFailure)
		}
		return nil
	}
	return cmd
}

func (p *Program) e2e(cmd *cobra.Command, value string) e2eOutput {
	in, err := p.readInput(cmd.Context(), cmd, value)
	if err != nil {
		return e2eOutput{Error: err.Error()}
	}
	var input e2eInput
	if err := json.Unmarshal(in.json, &input); err != nil {
		return e2eOutput{Error: "the input is not what the harness sends: " + err.Error()}
	}
	if input.WriteKey == "" {
		return e2eOutput{Error: "the input has no writeKey"}
	}
	policy, err := input.Config.policy()
	if err != nil {
		return e2eOutput{Error: err.Error()}
	}
	t, err := p.newTarget("e2e", tracking.Source{
		WriteKey:      tracking.WriteKey(input.WriteKey),
		Endpoint:      input.APIHost,
		AllowInsecure: true, // the harness runs its server where it likes, and no key of its is a secret
		Retry:         policy,
	})
	if err != nil {
		return e2eOutput{Error: err.Error()}
	}
	defer t.close()
	q := newQueue(cmd.Context(), t.Runtime, input.Config.flushAt(), input.Config.flushInterval(), p.Note)
	q.play(input)
	return q.result()
}

func (c e2eConfig) flushAt() int {
	if c.FlushAt == nil || *c.FlushAt < 1 {
		return 15
	}
	return *c.FlushAt
}

func (c e2eConfig) flushInterval() time.Duration {
	if c.FlushInterval == nil || *c.FlushInterval <= 0 {
		return 10 * time.Second
	}
	return time.Duration(*c.FlushInterval * float64(time.Millisecond))
}

// policy maps the harness's bounds to ours, where 0 stands for the default and a negative value for none.
func (c e2eConfig) policy() (retry.Policy, error) {
	var p retry.Policy
	if c.MaxRetries != nil {
		if p.MaxRetries = *c.MaxRetries; p.MaxRetries < 0 {
			return p, fmt.Errorf("config.maxRetries must not be negative: %d", p.MaxRetries)
		}
		if p.MaxRetries == 0 {
			p.MaxRetries = -1
		}
	}
	for _, d := range []struct {
		name    string
		seconds *float64
		to      *time.Duration
	}{
		{"timeout", c.Timeout, &p.AttemptTimeout},
		{"maxTotalBackoffDuration", c.MaxTotalBackoffDuration, &p.Budget},
		{"maxRateLimitDuration", c.MaxRateLimitDuration, &p.RateLimitBudget},
	} {
		switch {
		case d.seconds == nil:
		case *d.seconds < 0:
			return p, fmt.Errorf("config.%s must not be negative: %v", d.name, *d.seconds)
		case *d.seconds == 0:
			*d.to = -1
		default:
			*d.to = time.Duration(*d.seconds * float64(time.Second))
		}
	}
	return p, nil
}

// sequenceError says which event of the input an error is about.
func sequenceError(sequence, event int, err error) string {
	var e *runtime.Error
	if !errors.As(err, &e) || len(e.Violations) == 0 {
		return fmt.Sprintf("sequence %d, event %d: %v", sequence, event, err)
	}
	var why []string
	for _, v := range e.Violations {
		why = append(why, strings.TrimSpace(strings.TrimPrefix(v.Path, "/batch/0")+" "+v.Message))
	}
	return fmt.Sprintf("sequence %d, event %d was not queued: %s", sequence, event, strings.Join(why, "; "))
}

// wait sleeps, unless ctx ends first.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
