package otlp

import (
	"context"
	"log/slog"
	"sync"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/trace"
)

// quiet is how long nothing is logged after a failure of exporting was.
const quiet = time.Minute

// logged is an exporter that logs its failures instead of returning them: the SDK would hand them to an error handler that the whole process
// shares, which is not this package's to set.
type logged struct {
	sdk.SpanExporter
	logger   *slog.Logger
	endpoint string
	now      func() time.Time

	mu      sync.Mutex
	dropped int       // spans, since the last line
	last    time.Time // of the last line, zero while all is well
}

// ExportSpans always returns nil.
func (l *logged) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	err := l.SpanExporter.ExportSpans(ctx, spans)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch now := l.now(); {
	case err == nil && !l.last.IsZero():
		l.logger.InfoContext(ctx, "traces are exported again", "endpoint", l.endpoint, "droppedSpans", l.dropped)
		l.dropped, l.last = 0, time.Time{}
	case err == nil:
	default:
		l.dropped += len(spans)
		if l.last.IsZero() || now.Sub(l.last) >= quiet {
			l.logger.WarnContext(ctx, "traces cannot be exported", "endpoint", l.endpoint, "error", err, "droppedSpans", l.dropped)
			l.dropped, l.last = 0, now
		}
	}
	return nil
}
