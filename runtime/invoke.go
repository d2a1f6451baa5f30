package runtime

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"runtime/debug"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/runtime/retry"
	"github.com/aacflow/segment-blocks/schemas"
)

// Result is what a successful invocation returns.
type Result struct {
	// Output is a JSON object that is valid by the block's output schema.
	Output json.RawMessage
	// Receipt says what really happened.
	Receipt *Receipt
}

// InvokeOption says how to invoke.
type InvokeOption func(*invocation)

// InvocationID identifies the invocation to the block, for example by run, node, iteration and
// item, joined by slashes. Invoking again with the same id and input is harmless: the receiver gets
// the same message ids and counts nothing twice.
func InvocationID(id string) InvokeOption {
	return func(inv *invocation) { inv.InvocationID = id }
}

// ToSource chooses a source by its name.
func ToSource(name string) InvokeOption {
	return func(inv *invocation) { inv.sourceName = name }
}

// Deadline ends the invocation at time t, as the context's own deadline would.
func Deadline(t time.Time) InvokeOption {
	return func(inv *invocation) { inv.deadline = t }
}

// At sets the time of messages whose input has none. The default is the time at which the
// invocation begins. A host that invokes again, after a crash or hours later, passes the time of
// the first try, so that the messages stay the same.
func At(t time.Time) InvokeOption {
	return func(inv *invocation) { inv.Time = t }
}

// invocation is one call on its way through the runtime, and how its host wants it.
type invocation struct {
	Call
	ref        string // what the host names the block by
	sourceName string
	deadline   time.Time
	attempts   attempts
}

// Invoke runs a block. The name is the block's id, for its newest major version, or an id with a
// major version, such as segment_track@1. The error is always an *[Error], and has the receipt of
// whatever was tried. A panic of the executor becomes an internal error.
//
// Invoke waits for the receiver's answer and for retries. When ctx ends, it stops waiting, and
// stops validating a large input. Many goroutines may call it at once.
func (rt *Runtime) Invoke(ctx context.Context, block string, input Input, options ...InvokeOption) (*Result, error) {
	if err := rt.begin(block); err != nil {
		return nil, err
	}
	defer rt.running.Release(1)

	inv := newInvocation(block, options)
	inv.HTTP, inv.shared = rt.http, &rt.shared
	var ends []func(*Receipt, error)
	for _, observe := range rt.observers {
		var end func(*Receipt, error)
		ctx, end = observe(ctx, inv.Receipt.Block)
		ends = append(ends, end)
	}
	output, err := rt.invoke(ctx, inv, input)
	inv.finish()
	var res *Result
	if err != nil {
		err = rt.failed(ctx, inv, err)
	} else {
		res = &Result{Output: output, Receipt: inv.Receipt}
	}
	for _, end := range slices.Backward(ends) {
		end(inv.Receipt, err)
	}
	return res, err
}

func (rt *Runtime) invoke(ctx context.Context, inv *invocation, input Input) (output json.RawMessage, err error) {
	defer rt.recover(ctx, inv, &err)
	if !inv.deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, inv.deadline)
		defer cancel()
	}
	b, err := rt.prepare(ctx, inv, input)
	if err != nil {
		return nil, err
	}
	if inv.attempts.tell != nil && !inv.DryRun {
		ctx = retry.OnAttempt(ctx, inv.attempted)
	}
	return b.run(ctx, &inv.Call)
}

// recover turns a panic into an error. It must itself be the deferred function.
func (rt *Runtime) recover(ctx context.Context, inv *invocation, err *error) {
	if p := recover(); p != nil {
		rt.logger.LogAttrs(ctx, slog.LevelError, "invocation panicked", slog.String("block", inv.Receipt.Block),
			slog.String("panic", inv.redactor.text(fmt.Sprint(p))), slog.String("stack", string(debug.Stack())))
		*err = &Error{Code: Internal, Message: fmt.Sprintf("failed: panic: %v", p)}
	}
}

func newInvocation(block string, options []InvokeOption) *invocation {
	id, _ := schemas.CutMajor(block)
	inv := &invocation{ref: block, Call: Call{Receipt: &Receipt{Block: id, StartedAt: time.Now()}}}
	for _, option := range options {
		option(inv)
	}
	if inv.InvocationID == "" {
		inv.InvocationID = uuid.NewString()
	}
	if inv.Time.IsZero() {
		inv.Time = inv.Receipt.StartedAt
	}
	inv.Receipt.InvocationID = inv.InvocationID
	return inv
}

// prepare does everything that needs no executor: it finds the block and the source, normalises the
// input and validates it.
func (rt *Runtime) prepare(ctx context.Context, inv *invocation, input Input) (*Block, error) {
	found, err := rt.registry.Find(inv.ref)
	if err != nil {
		return nil, &Error{Code: UnknownBlock, Message: err.Error()}
	}
	inv.Manifest = found.Manifest()
	inv.Receipt.Version = inv.Manifest.Version
	b, ok := found.(*Block)
	if !ok {
		return nil, &Error{Code: Internal, Message: "cannot be invoked: it was not made by runtime.Define"}
	}
	if notice := inv.Manifest.Notice(); notice != "" {
		inv.Receipt.Warn("", "deprecated_block", "the block is deprecated: "+notice)
	}
	source, err := rt.sourceFor(b, inv.sourceName)
	if err != nil {
		return nil, err
	}
	inv.Receipt.Source, inv.redactor.source = source.name, source.value
	if source.emulated {
		inv.Receipt.Emulated = true
		inv.Receipt.Warn("", "emulated", "the source is an emulator: nothing reaches the real receiver")
	}
	if input == nil {
		input = Map{}
	}
	in, normal, err := rt.read(input, inv.Manifest.Input)
	if err != nil {
		return nil, Refuse([]schemas.Violation{schemas.InvalidJSON(err)})
	}
	inv.redactor.input, inv.redactor.fields = in.Object, inv.Manifest.Input.Fields()
	if tell, ok := ctx.Value(onInputKey{}).(func(json.RawMessage)); ok {
		tell(inv.redactor.object())
	}
	if !normal {
		if in, err = rt.normalise(ctx, inv, in.Object); err != nil {
			return nil, err
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, contextError(err, "nothing was sent")
	}
	inv.Input, inv.lists = in.Object, in.Lists
	return b, nil
}

// normalise applies the host's conventions to an input, and validates the result.
func (rt *Runtime) normalise(ctx context.Context, inv *invocation, in rawjson.Object) (*schemas.Opened, error) {
	schema := inv.Manifest.Input
	n := &normaliser{
		conventions: rt.conventions, limits: rt.limits, receipt: inv.Receipt, blank: map[string]json.RawMessage{},
	}
	normal := n.object(ctx, in, schema.Fields(), "")
	if len(n.violations) == 0 {
		if opened, ok := schema.Scan(normal.JSON(), wide()); ok {
			return opened, nil
		}
	}
	violations := schema.Validate(ctx, normal, n.violations...)
	if ctx.Err() == nil && len(violations) > 0 {
		n.explainBlanks(violations)
		return nil, Refuse(violations)
	}
	return &schemas.Opened{Object: normal}, nil
}

// sourceFor returns the source that the invocation names. If it names none, that is the first
// source of the type that the block needs. A block that needs no source gets none, even if the host
// names one, as it may do for all blocks alike.
func (rt *Runtime) sourceFor(b *Block, name string) (namedSource, error) {
	i, known := rt.sourceAt[name]
	if name == "" {
		i = slices.IndexFunc(rt.sources, func(s namedSource) bool { return b.accepts(s.value) })
		known = i >= 0
	}
	switch {
	case !b.sourced && (name == "" || known):
		return namedSource{value: NoSource{}}, nil
	case known && b.accepts(rt.sources[i].value):
		return rt.sources[i], nil
	}
	message := "has no source to use: none of type " + b.needs + " is configured"
	switch {
	case known:
		message = fmt.Sprintf("needs a source of type %s, and this one is a %T: %q", b.needs, rt.sources[i].value, name)
	case name != "":
		names := slices.Sorted(maps.Keys(rt.sourceAt))
		message = fmt.Sprintf("names a source that is not configured: %q%s", name, schemas.DidYouMean(name, names))
	}
	return namedSource{}, &Error{Code: UnknownSource, Message: message}
}

// run calls the executor and checks what it returns.
func (b *Block) run(ctx context.Context, call *Call) (json.RawMessage, error) {
	value, err := b.execute(ctx, call, call.redactor.source)
	if err != nil {
		return nil, executorError(err)
	}
	obj, ok := value.(rawjson.Object)
	raw := obj.JSON()
	if !ok {
		if raw, err = rawjson.Encode(value, wide()); err != nil {
			message := "ran, but did not return JSON: " + err.Error()
			return nil, &Error{Code: InvalidOutput, Message: message, Err: err}
		}
	}
	schema := b.manifest.Output
	if schema.AcceptsJSON(raw, wide()) {
		return raw, nil
	}
	if obj, err = rawjson.ParseObject(raw, wide()); err != nil {
		message := "ran, but did not return an object: " + schemas.Excerpt(raw)
		return nil, &Error{Code: InvalidOutput, Message: message, Err: err}
	}
	if violations := schema.Validate(context.WithoutCancel(ctx), obj); len(violations) > 0 {
		e := &Error{Code: InvalidOutput}
		e.list(violations)
		e.Message = "ran, but its output breaks its own schema: " + e.Violations[0].Path + " " + e.Violations[0].Message
		return nil, e
	}
	return raw, nil
}

// wide returns limits for what must pass at any size: a value that was checked before, and an
// output, because the call behind it has already been made.
func wide() rawjson.Limits {
	return rawjson.Limits{MaxBytes: math.MaxInt32, MaxDepth: 1000, MaxMembers: math.MaxInt32}
}

// executorError returns the executor's own *Error as it is, and gives any other error a code.
func executorError(err error) error {
	_, own := errors.AsType[*Error](err)
	_, failed := errors.AsType[*retry.Error](err)
	ended := errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
	if ended && !own && !failed {
		return contextError(err, "it may have been accepted")
	}
	return ErrorOf(err)
}

func contextError(err error, consequence string) *Error {
	e := &Error{Code: Canceled, Message: "was canceled, " + consequence, Retryable: true, Err: err}
	if errors.Is(err, context.DeadlineExceeded) {
		e.Code, e.Message = DeadlineExceeded, "reached its deadline, "+consequence
	}
	return e
}

// failed completes an error on its way out, and logs it.
func (rt *Runtime) failed(ctx context.Context, inv *invocation, err error) *Error {
	e := inv.failed(err)
	level := slog.LevelWarn
	if e.Code == Internal || e.Code == InvalidOutput {
		level = slog.LevelError
	}
	var first string
	if len(inv.Receipt.MessageIDs) > 0 {
		first = inv.Receipt.MessageIDs[0]
	}
	rt.logger.LogAttrs(ctx, level, "invocation failed",
		slog.String("block", e.Block), slog.String("source", inv.Receipt.Source),
		slog.String("code", string(e.Code)), slog.Int("status", e.Status), slog.Int("attempts", inv.Receipt.Attempts),
		slog.String("invocationId", inv.Receipt.InvocationID), slog.String("messageId", first),
		slog.Float64("durationMs", milliseconds(inv.Receipt.Duration)), slog.String("error", e.Message))
	return e
}

func (inv *invocation) failed(err error) *Error {
	e := *ErrorOf(err) // a copy: an executor may return the same error to many invocations
	e.Violations = slices.Clone(e.Violations)
	e.Block, e.Receipt = inv.Receipt.Block, inv.Receipt
	inv.redactor.error(&e)
	return &e
}

// finish completes the receipt. It must not change afterwards.
func (inv *invocation) finish() {
	inv.attempts.mu.Lock()
	inv.attempts.left = 0
	inv.attempts.mu.Unlock()
	inv.Receipt.Duration = time.Since(inv.Receipt.StartedAt)
	inv.Receipt.countUnlisted()
	inv.redactor.violations(inv.Receipt.Warnings)
}
