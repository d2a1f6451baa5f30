package cli

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/settings"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/runtime/retry"
	"github.com/aacflow/segment-blocks/segment/emulator"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

// receiptOnly is what an answer of Segment's means, and no more.
const receiptOnly = "Segment confirms receipt, not delivery to destinations"

// These keys are no secrets: one goes to the emulator in this process, the other nowhere. They have
// the form of Segment's.
const (
	emulatorKey    = "segmentBlocksEmbeddedEmulatorKey"
	placeholderKey = "segmentBlocksPlaceholderWriteKey"
)

// target is where a command sends: a runtime with one source. The commands that invoke once or a
// few times (run, preview, validate, import) open one; serve and mcp have a [hosting] with every
// source.
type target struct {
	*runtime.Runtime
	// source is the name of the source: "emulator" for that of this process, "placeholder" for
	// none.
	source string
	// emulator is the one in this process, nil if the command sends elsewhere.
	emulator *emulator.Server
	// sends is the source itself, with the endpoint and the write key.
	sends tracking.Source
	// deliveries holds the store, if the source is durable.
	deliveries *deliveries
}

// opening is what a command needs of its target.
type opening struct {
	// looks is for a command that sends nothing and so needs no write key: without one it sees what
	// the source would get, and without a source what Segment in the US would. With any, one of
	// several sources will do.
	looks, any bool
	// key is the write key of the input. It is used if the source has none.
	key tracking.WriteKey
	// direct is for a command that remembers by itself what it has sent. A store behind it would
	// say "accepted" too early.
	direct bool
	// inFlight bounds the requests of one invocation; 0 is the default.
	inFlight int
	options  []runtime.Option
	emulator []emulator.Option
}

// open returns the configured target. Without one it is an emulator in this process, but not if the
// input brings a write key: whoever gives a key means a real source, and its events must not end in
// an emulator.
func (p *Program) open(s *settings.Settings, o opening) (*target, error) {
	// What its log would tell, the command tells itself: as notices, and when it has ended.
	d := newDeliveries(s, slog.New(slog.DiscardHandler))
	source, configured, err := s.Chosen()
	if o.any && errors.Is(err, settings.ErrNotChosen) {
		source, configured, err = s.Sources[s.Names()[0]], true, nil
	}
	switch {
	case err != nil:
		return nil, sourceFailure(err)
	case configured:
	case o.looks:
		source = settings.Source{Name: "placeholder"}
	case o.key != "":
		return nil, configurationFailure(errors.New("the input has a write key, but nothing says where its source " +
			"is: set SEGMENT_REGION (us or eu) or SEGMENT_ENDPOINT with SEGMENT_WRITE_KEY instead, or configure a " +
			"source without a key"))
	default:
		server, to, err := startEmulator(s, o.emulator...)
		if err != nil {
			return nil, err
		}
		to.InFlight = o.inFlight
		return p.newTarget(&target{source: "emulator", emulator: server, deliveries: d}, to, o.options...)
	}
	key, _, err := s.Key(source)
	switch {
	case err == nil:
	case o.looks:
		key = placeholderKey
	case o.key != "":
		key = o.key
	default:
		return nil, sourceFailure(err)
	}
	to := s.Tracking(source, key) // also of a coalesced source: a single call has none to share a request with
	to.InFlight = o.inFlight
	var sender tracking.Sender = to
	if source.Way() == settings.Durable && !o.looks && !o.direct {
		if sender, err = d.sender(source, key); err != nil {
			return nil, err
		}
	}
	for _, text := range append(d.notices, d.stranded()...) {
		p.Warn("%s", text)
	}
	return p.newTarget(&target{source: source.Name, deliveries: d}, sender, o.options...)
}

// startEmulator starts an emulator in this process, and returns it with the source that sends to
// it.
func startEmulator(s *settings.Settings, options ...emulator.Option) (*emulator.Server, tracking.Source, error) {
	server, err := emulator.Start(options...)
	if err != nil {
		return nil, tracking.Source{}, console.Failed("cannot start the emulator: %w", err)
	}
	return server, tracking.Source{WriteKey: emulatorKey, Endpoint: server.URL, Retry: s.Retry}, nil
}

// disclose says that events went to the emulator, if any did: a refused input goes nowhere. It is
// said each time, because somebody who tries things out forgets it.
func (p *Program) disclose(t *target, r *runtime.Receipt) {
	if t.emulator == nil || r == nil || r.Attempts == 0 {
		return
	}
	p.noteEmulator("sent")
}

// noteEmulator says that events go to the emulator, and how to send them to Segment.
func (p *Program) noteEmulator(doing string) {
	p.Note("no source is configured: %s to an emulator inside this process, the events are not real", doing)
	p.Note("to send to Segment, set SEGMENT_WRITE_KEY and SEGMENT_REGION (us or eu); " +
		"see segment-blocks help environment")
}

// newTarget gives a target its runtime, and closes it if there is something wrong with the source.
// The key of the emulator marks a source as emulated, so that its receipts say so wherever they end
// up.
func (p *Program) newTarget(t *target, sender tracking.Sender, options ...runtime.Option) (*target, error) {
	t.sends = sender.Target()
	add := runtime.Source
	if t.sends.WriteKey == emulatorKey {
		add = runtime.EmulatedSource
	}
	// The command reports a failure itself. The log is for the stacks of panics.
	logger := slog.New(slog.NewTextHandler(p.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	var err error
	options = append(options, add(t.source, sender), runtime.Logger(logger))
	if t.Runtime, err = runtime.New(p.registry(), options...); err != nil {
		t.close()
		return nil, sourceFailure(err)
	}
	return t, nil
}

// mentionRegion warns of a source that names no region. Segment answers 200 to events that are sent
// to the wrong region, and drops them.
func (p *Program) mentionRegion(name string, source tracking.Source) {
	if source.Region != "" || source.Endpoint != "" {
		return
	}
	set := "region (us or eu) of the source in the configuration file"
	if name == settings.Environment {
		set = "SEGMENT_REGION (us or eu)"
	}
	p.Warn("source %q names no region, so its events go to the US; a workspace in the EU never sees them: set %s",
		name, set)
}

// close gives up what is still in flight after a second: a command that has printed its result must
// not hang. The messages in a store stay there.
func (t *target) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if t.Runtime != nil {
		_ = t.Close(ctx)
	}
	_ = t.deliveries.abandon()
	if t.emulator != nil {
		_ = t.emulator.Close(ctx)
	}
}

// limited returns a context that ends with the configured timeout.
func limited(ctx context.Context, s *settings.Settings) (context.Context, context.CancelFunc) {
	if s.Timeout > 0 {
		return context.WithTimeout(ctx, s.Timeout)
	}
	return context.WithCancel(ctx)
}

// showRetries returns a context that shows on a terminal what a command waits for: with the default
// budget a retried call takes minutes, and would look like one that hangs. Elsewhere nobody
// watches.
func (p *Program) showRetries(ctx context.Context) context.Context {
	if !console.IsTerminal(p.Stderr) {
		return ctx
	}
	return retry.OnRetry(ctx, func(r retry.Wait) {
		cause := r.Cause
		// A cause begins with a status, or says in words why there is none.
		if strings.IndexAny(cause, "0123456789") == 0 {
			cause = "the receiver answered " + cause
		}
		p.Note("%s; attempt %d of %d begins in %.1f s", cause, r.Attempt, r.Of, r.In.Seconds())
	})
}
