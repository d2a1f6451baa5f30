// Package runtime invokes blocks: it normalises and validates the input, calls the block's executor
// with one shared HTTP client, validates the output, and returns it with a receipt of what really
// happened.
//
//	reg := registry.New()
//	blocks.MustRegister(reg)
//	source := tracking.Source{WriteKey: key, Region: tracking.EU}
//	rt, err := runtime.New(reg, runtime.Source("prod", source))
//	if err != nil { … }
//	defer rt.Close(ctx)
//
//	input := runtime.Map{"event": "Order Completed", "userId": "u-42"}
//	res, err := rt.Invoke(ctx, "segment_track", input)
//
// The package knows nothing of Segment. A vendor's blocks are made with [Define], which names the
// type of source they need.
package runtime

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/go-resty/resty/v2"
	"golang.org/x/sync/semaphore"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/schemas"
)

// Runtime invokes the blocks of a registry. It is safe for concurrent use. The code that makes it
// closes it.
type Runtime struct {
	registry    *registry.Registry
	sources     []namedSource
	sourceAt    map[string]int // the index of a source by its name
	limits      rawjson.Limits
	logger      *slog.Logger
	conventions schemas.Conventions
	observers   []Observer
	transport   http.RoundTripper
	ownsHTTP    bool
	http        *resty.Client
	shared      sync.Map

	running *semaphore.Weighted // an invocation takes 1 of it, and Close takes all
	closed  atomic.Bool
}

// namedSource is where blocks send and with which credential: a type of the vendor's own, such as
// tracking.Source.
type namedSource struct {
	name     string
	value    any
	emulated bool
}

// Option configures a Runtime.
type Option func(*Runtime)

// Source adds a source under a name. Invocations choose it by that name; see [ToSource]. An
// invocation that names no source gets the first one of the type that its block needs.
//
// If a source has a method Validate() error, New calls it. If it has a method Secrets() []string,
// those texts never appear in errors, receipts or previews, unless they are shorter than 8 bytes.
func Source(name string, source any) Option {
	return func(rt *Runtime) { rt.sources = append(rt.sources, namedSource{name: name, value: source}) }
}

// EmulatedSource is [Source] for a source that sends to an emulator instead of the real receiver.
// Every receipt says so: [Receipt.Emulated] is true, and there is a warning with the code emulated.
func EmulatedSource(name string, source any) Option {
	return func(rt *Runtime) { rt.sources = append(rt.sources, namedSource{name, source, true}) }
}

// check reports what is wrong with a source, without its value: a text may be a credential.
func (s namedSource) check() error {
	if strings.TrimSpace(s.name) == "" {
		return errors.New("a source must have a name")
	}
	fault := ""
	switch v := reflect.ValueOf(s.value); v.Kind() {
	case reflect.Invalid:
		fault = "must not be nil"
	case reflect.Pointer, reflect.Map, reflect.Func:
		if v.IsNil() {
			fault = fmt.Sprintf("must not be a nil %T", s.value)
		}
	case reflect.String:
		if v.Type() == reflect.TypeFor[string]() {
			fault = "must not be a plain string"
		}
	}
	if fault != "" {
		const remedy = "give a value of the vendor's type of source, such as tracking.Source"
		return fmt.Errorf("source %q %s; %s", s.name, fault, remedy)
	}
	if v, ok := s.value.(interface{ Validate() error }); ok {
		if err := v.Validate(); err != nil {
			return fmt.Errorf("source %q: %w", s.name, err)
		}
	}
	return nil
}

// Transport makes the shared HTTP client use the host's own transport. The host still owns it:
// [Runtime.Close] does not close its connections.
func Transport(transport http.RoundTripper) Option {
	return func(rt *Runtime) { rt.transport, rt.ownsHTTP = transport, false }
}

// Limits bounds inputs. [rawjson.Limits] has the defaults.
func Limits(limits rawjson.Limits) Option {
	return func(rt *Runtime) { rt.limits = limits }
}

// WithConventions sets what the host expects of every block. The default is [schemas.AACFlow]. With
// the zero value, inputs are taken as they are.
func WithConventions(conventions schemas.Conventions) Option {
	return func(rt *Runtime) { rt.conventions = conventions }
}

// Logger sets where failed invocations are logged, each in one line, and the stack of a panic in
// another. The level is ERROR if the fault is in this program (internal, invalid_output), else
// WARN. The line has the block, source, code, HTTP status, attempts, invocation id, first message
// id, duration in milliseconds and the error, but never the input or a credential. The default
// discards everything.
func Logger(logger *slog.Logger) Option {
	return func(rt *Runtime) { rt.logger = logger }
}

// Observer is called when an invocation begins, with its context and the id of the block. The
// invocation continues with the context that it returns, which may carry a trace. When the
// invocation ends, the function that it returns is called.
//
// The receipt is then complete, and must not be changed. The error is nil or an *[Error]. Previews
// are not observed. Many invocations may run at once.
type Observer func(ctx context.Context, block string) (context.Context, func(receipt *Receipt, err error))

// Observe adds an observer. Observers are called in the order in which they were added when an
// invocation begins, and in reverse when it ends.
func Observe(observer Observer) Option {
	return func(rt *Runtime) { rt.observers = append(rt.observers, observer) }
}

type onInputKey struct{}

// OnInput returns a context for invocations. Each calls tell with its input, as given, before it is
// validated, and without its secrets. If the input is not a JSON object, tell is not called. An
// observer may use OnInput too.
func OnInput(ctx context.Context, tell func(input json.RawMessage)) context.Context {
	return context.WithValue(ctx, onInputKey{}, tell)
}

// New returns a runtime for the blocks of a registry, including blocks that are registered later.
// It returns an error if the registry is nil, if a source is not valid, or if a block in the
// registry was not made by [Define].
func New(reg *registry.Registry, options ...Option) (*Runtime, error) {
	if reg == nil {
		return nil, errors.New("new runtime: the registry must not be nil: make one with registry.New, and " +
			"register blocks")
	}
	rt := &Runtime{
		registry:    reg,
		sourceAt:    map[string]int{},
		conventions: schemas.AACFlow(),
		logger:      slog.New(slog.DiscardHandler),
		transport:   NewTransport(),
		ownsHTTP:    true,
		running:     semaphore.NewWeighted(math.MaxInt64),
	}
	for _, option := range options {
		option(rt)
	}
	for i, s := range rt.sources {
		if err := s.check(); err != nil {
			return nil, fmt.Errorf("new runtime: %w", err)
		}
		if _, taken := rt.sourceAt[s.name]; taken {
			return nil, fmt.Errorf("new runtime: a source with this name is configured already: %q", s.name)
		}
		rt.sourceAt[s.name] = i
	}
	for _, b := range reg.All() {
		if _, ok := b.(*Block); !ok {
			return nil, fmt.Errorf("new runtime: block %q cannot be invoked: it was not made by runtime.Define",
				b.Manifest().ID)
		}
	}
	rt.http = newClient(rt.transport)
	return rt, nil
}

// Conventions returns what the host expects of every block. It is for code that reads the host's
// texts outside an input, such as an invocation id.
func (rt *Runtime) Conventions() schemas.Conventions { return rt.conventions }

// Close refuses further invocations, waits for the running ones, and closes idle connections. If
// ctx ends first, Close returns its error, and the running invocations continue. Closing twice is
// harmless.
func (rt *Runtime) Close(ctx context.Context) error {
	rt.closed.Store(true)
	if !rt.running.TryAcquire(math.MaxInt64) { // Acquire would fail if ctx has ended, whatever is running
		if err := rt.running.Acquire(ctx, math.MaxInt64); err != nil {
			return fmt.Errorf("close runtime: invocations are still running: %w", err)
		}
	}
	rt.running.Release(math.MaxInt64)
	if rt.ownsHTTP {
		rt.http.GetClient().CloseIdleConnections()
	}
	return nil
}

// begin counts an invocation in, unless the runtime is closed.
func (rt *Runtime) begin(block string) error {
	if rt.running.TryAcquire(1) {
		if !rt.closed.Load() {
			return nil
		}
		rt.running.Release(1)
	}
	return &Error{Code: Closed, Block: block, Message: "was not invoked: the runtime is closed"}
}
