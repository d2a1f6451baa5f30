package workflow

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
)

// Call is one try of a task.
type Call struct {
	Node *Node
	Task Task
	// Input has its references resolved.
	Input json.RawMessage
	// InvocationID is made of the run, its file and input, the node and the iteration. It is the
	// same for each try and after each resume.
	InvocationID string
	// At is when the task was first started, in this process or an earlier one.
	At time.Time
}

// options returns the options of each try of a task, and more.
func (c Call) options(more []runtime.InvokeOption) []runtime.InvokeOption {
	return append([]runtime.InvokeOption{runtime.InvocationID(c.InvocationID), runtime.At(c.At)}, more...)
}

// Invoke does the work of a task. It must honour ctx, and is called from many goroutines at once.
// Errors are outcomes; see [OutcomeOf].
type Invoke func(ctx context.Context, call Call) Outcome

// Seed names a run for the blocks: its id, and a checksum of its file and input. Another file or
// input may run under the same id, perhaps on another machine. With the same messageIds, Segment
// would drop its messages.
func (g *Graph) Seed(s *State, run string) string {
	sum := sha256.Sum256(append([]byte(g.Digest), written(s.Start)...))
	return fmt.Sprintf("%s@%x", run, sum[:6])
}

// InvocationID names a task for the blocks, which derive messageIds from it so that a repeat is
// harmless.
func InvocationID(seed string, task Task) string { return seed + "/" + task.ID() }

// Invoker returns the Invoke that invokes the blocks of a runtime. The runtime should have
// [Conventions]. The options are added to those of each call.
func Invoker(rt *runtime.Runtime, options ...runtime.InvokeOption) Invoke {
	return func(ctx context.Context, call Call) Outcome {
		res, err := rt.Invoke(ctx, call.Node.Block, runtime.JSON(call.Input), call.options(options)...)
		if err != nil {
			return OutcomeOf(err)
		}
		return Outcome{Output: res.Output, Receipt: written(res.Receipt)}
	}
}

// Previewer returns the Invoke of a dry run, which sends nothing. The output is that of the block's
// first example, with the input's values for members of the same name. The receipt has the requests
// that would be sent under preview.
func Previewer(rt *runtime.Runtime, reg *registry.Registry, options ...runtime.InvokeOption) Invoke {
	return func(ctx context.Context, call Call) Outcome {
		requests, receipt, err := rt.Preview(ctx, call.Node.Block, runtime.JSON(call.Input), call.options(options)...)
		if err != nil {
			return OutcomeOf(err)
		}
		with := append(rawjson.OpenObject(written(receipt)), rawjson.Member{Name: "preview", Value: written(requests)})
		return Outcome{Output: exampleOutput(reg, call), Receipt: with.JSON()}
	}
}

func exampleOutput(reg *registry.Registry, call Call) json.RawMessage {
	block, err := reg.Find(call.Node.Block)
	if err != nil || len(block.Manifest().Examples) == 0 {
		return json.RawMessage("{}")
	}
	output, input := rawjson.Object{}, rawjson.OpenObject(call.Input)
	for _, m := range block.Manifest().Examples[0].Output {
		// Most blocks return parts of their input, so conditions see what they would see in a run.
		if value, ok := input.Get(m.Name); ok {
			m.Value = value
		}
		output = append(output, m)
	}
	return output.JSON()
}

// OutcomeOf returns the outcome of an invocation that failed.
func OutcomeOf(err error) Outcome {
	e := *runtime.ErrorOf(err) // a copy, whose receipt moves into the outcome
	var outcome Outcome
	if e.Receipt != nil {
		outcome.Receipt = written(e.Receipt)
		e.Receipt = nil
	}
	outcome.Error = written(&e)
	return outcome
}

// written returns a value as JSON. The values that it is called with can always be written.
func written(value any) json.RawMessage {
	raw, err := json.Marshal(value)
	if err != nil {
		return Failure(string(runtime.Internal), "cannot be written as JSON: "+err.Error()).Error
	}
	return raw
}

// mayRetry returns whether a failed task may succeed later, and how long the receiver asks to wait
// before the next try.
func (o Outcome) mayRetry() (retryable bool, after time.Duration) {
	var e runtime.Error
	_ = json.Unmarshal(o.Error, &e) // without a readable error, nothing is retried
	return e.Retryable, e.RetryAfter
}

// try invokes until there is an output, or another try would not help. It calls waiting before each
// wait.
func (inv Invoke) try(ctx context.Context, call Call, waiting func(attempt int, last Outcome)) Outcome {
	for attempt := 1; ; attempt++ {
		outcome := inv.once(ctx, call)
		retryable, after := outcome.mayRetry()
		wait, again := call.Node.Retry.Delay(attempt, after)
		// A wait beyond the deadline would only delay the error.
		deadline, limited := ctx.Deadline()
		if !retryable || !again || ctx.Err() != nil || limited && time.Until(deadline) < wait {
			return outcome
		}
		waiting(attempt+1, outcome)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return outcome
		}
	}
}

func (inv Invoke) once(ctx context.Context, call Call) Outcome {
	// Without a timeout of its own, a try is bounded by the time for all of them.
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(call.Node.Timeout.Duration, maxRetrying))
	defer cancel()
	return inv(ctx, call)
}
