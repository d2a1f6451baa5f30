// Package traces makes OpenTelemetry spans of invocations: one for each invocation, and below it
// one for each HTTP request that it sends, retries included.
//
//	t := traces.New(reg, provider) // a trace.TracerProvider of the host's own
//	transport := t.Transport(runtime.NewTransport())
//	rt, err := runtime.New(reg, runtime.Observe(t.Observe), runtime.Transport(transport), …)
//	server.Handler = traces.Handler(server.Handler) // joins the trace that a request names
//
// The span of an invocation is called "invoke segment_track", or "invoke unknown" for a block that
// does not exist, so that requests cannot make up names. If the invocation fails, its status is
// error, with the code and a line of text. Its attributes are:
//
//	segment_blocks.block, segment_blocks.source
//	segment_blocks.invocation_id    the host's own, or a random one
//	segment_blocks.outcome          ok or the code of the error
//	segment_blocks.emulated         true if the source is an emulator, else absent
//	segment_blocks.requests, segment_blocks.attempts, segment_blocks.bytes, segment_blocks.accepted
//
// The span of an HTTP request follows OpenTelemetry's conventions for HTTP clients. No span holds a
// credential or shows the content of an event: for a refused input it names the codes of the
// violations. The line of another failure may quote the receiver's answer.
//
// Package [github.com/aacflow/segment-blocks/observe/traces/otlp] exports spans as OpenTelemetry's
// environment variables ask.
package traces

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
)

// scope names this package as the maker of its spans.
const scope = "github.com/aacflow/segment-blocks/observe/traces"

// Traces makes the spans. It is safe for concurrent use.
type Traces struct {
	blocks *registry.Registry
	tracer trace.Tracer
}

// New returns a Traces for the blocks of a registry. The caller shuts the provider down.
func New(blocks *registry.Registry, provider trace.TracerProvider) *Traces {
	return &Traces{blocks: blocks, tracer: provider.Tracer(scope, trace.WithSchemaURL(semconv.SchemaURL))}
}

// Observe is a runtime.Observer. The span's parent is the span of the context, which [Handler] and
// [JoinMeta] take from a caller.
func (t *Traces) Observe(ctx context.Context, block string) (context.Context, func(*runtime.Receipt, error)) {
	if _, ok := t.blocks.Lookup(block); !ok {
		block = "unknown"
	}
	ctx, span := t.tracer.Start(ctx, "invoke "+block,
		trace.WithAttributes(attribute.String("segment_blocks.block", block)))
	return ctx, func(receipt *runtime.Receipt, err error) {
		if span.IsRecording() {
			span.SetAttributes(
				attribute.String("segment_blocks.invocation_id", receipt.InvocationID),
				attribute.Int("segment_blocks.requests", receipt.Requests),
				attribute.Int("segment_blocks.attempts", receipt.Attempts),
				attribute.Int64("segment_blocks.bytes", receipt.Bytes),
				attribute.Int("segment_blocks.accepted", receipt.Accepted),
			)
			if receipt.Source != "" {
				span.SetAttributes(attribute.String("segment_blocks.source", receipt.Source))
			}
			if receipt.Emulated {
				span.SetAttributes(attribute.Bool("segment_blocks.emulated", true))
			}
			outcome(span, err)
		}
		span.End()
	}
}

func outcome(span trace.Span, err error) {
	if err == nil {
		span.SetAttributes(attribute.String("segment_blocks.outcome", "ok"))
		return
	}
	failure := runtime.ErrorOf(err)
	code := string(failure.Code)
	span.SetAttributes(attribute.String("segment_blocks.outcome", code), semconv.ErrorTypeKey.String(code))
	span.SetStatus(codes.Error, code+": "+describe(failure))
}

// describe returns the line of an error, which holds no credential. For a refused input it returns
// only the codes of the violations, because the line shows values of the event.
func describe(e *runtime.Error) string {
	if len(e.Violations) == 0 {
		return e.Error()
	}
	const most = 5
	var kinds []string
	for _, v := range e.Violations {
		if !slices.Contains(kinds, v.Code) {
			kinds = append(kinds, v.Code)
		}
	}
	if len(kinds) > most {
		kinds = append(kinds[:most], "…")
	}
	return fmt.Sprintf("%d violations: %s", len(e.Violations), strings.Join(kinds, ", "))
}
