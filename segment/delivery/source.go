package delivery

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aacflow/segment-blocks/runtime/retry"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

// storedSource is a source whose calls succeed when their messages are stored.
type storedSource struct {
	tracking.Source
	store *Store
	added bool // by Store.Source, not only found in the file
	err   error
	wake  chan struct{}
	stats Stats // guarded by the store's lock, except for the name
}

// Source adds a source under a name, and starts to send the messages that the
// store has under that name, also those of earlier processes, whatever region,
// endpoint and write key the source had then. Call it once for each name. If
// the source or its name is invalid, its Validate, which a runtime calls,
// returns the error, and it neither takes nor sends messages.
//
// A call returns when all its messages are on disk, or none could be stored.
// Its client only checks and writes them. The error is a [*tracking.Error]. The
// code is [retry.Unavailable] if the store is full or the disk fails: the call
// may be made again later. A call with a write key of its own is refused with
// [tracking.InvalidInput], because the key would have to be stored with the
// messages, and write keys are not written to disk. If the context ends before
// the messages are being written, none is stored. If the disk does not answer
// within a second after that, they are unconfirmed.
func (s *Store) Source(name string, source tracking.Source) tracking.Sender {
	s.mu.Lock()
	defer s.mu.Unlock()
	stored := s.sources[name]
	switch {
	case stored != nil && stored.added:
		err := fmt.Errorf("the store already has a source with this name: %q", name)
		return &storedSource{store: s, Source: source, err: err}
	case s.closed:
		return &storedSource{store: s, Source: source, err: errors.New("the store is closed")}
	case stored == nil:
		stored = &storedSource{store: s, wake: make(chan struct{}, 1), stats: Stats{Source: name}}
		s.sources[name] = stored
	}
	stored.Source, stored.added, stored.err = source, true, source.Validate()
	if name == "" {
		stored.err = errors.New("a stored source must have a name")
	}
	stored.compareKeys()
	if stored.err == nil && source.WriteKey != "" {
		s.deliverers.Go(stored.run)
	}
	return stored
}

// compareKeys warns if the waiting messages were stored with another key. They
// are sent with the new one: keys are rotated, and messages belong to the name
// of the source.
func (s *storedSource) compareKeys() {
	before, now := s.stats.StoredWith, s.WriteKey.Fingerprint()
	if s.stats.Waiting > 0 && before != "" && before != now {
		s.store.logger.Warn("the waiting messages were stored with another write key of the source, "+
			"and are sent with the new one",
			"source", s.stats.Source, "waiting", s.stats.Waiting, "before", before, "now", now)
	}
}

// Validate returns what is wrong with the source, or with its name.
func (s *storedSource) Validate() error { return s.err }

// Describe returns what [tracking.Source.Describe] does, with [Durable].
func (s *storedSource) Describe() (endpoint, region, way, fingerprint string) {
	endpoint, region, _, fingerprint = s.Source.Describe()
	return endpoint, region, Durable, fingerprint
}

// Send checks the messages of a call and stores them: see [Store.Source].
func (s *storedSource) Send(
	ctx context.Context, client *tracking.Client, call tracking.Call,
) (tracking.Report, error) {
	if client == nil {
		client = s.store.options.Client
	}
	call.Alone = false
	batch, err := client.Prepare(ctx, s.Source, call)
	report := batch.Report()
	report.Delivery = Durable
	if err == nil {
		err = s.accepts(call)
	}
	if err != nil {
		return report, err
	}
	status, failed := s.keep(ctx, batch.Messages, report.Endpoint)
	for i := range report.Messages {
		report.Messages[i].Status = status
	}
	if failed == nil {
		report.Stored = len(batch.Messages)
		return report, nil
	}
	failed.Total = len(batch.Messages)
	if status == tracking.Unconfirmed {
		failed.Unconfirmed = failed.Total
	}
	return report, failed
}

// accepts says why a valid call cannot be stored.
func (s *storedSource) accepts(call tracking.Call) error {
	switch {
	case s.err != nil:
		return &tracking.Error{Code: tracking.InvalidSource, Err: s.err, Total: len(call.Messages)}
	case call.WriteKey == "", call.WriteKey == s.WriteKey:
		return nil
	}
	problem := tracking.Finding{Index: -1}
	problem.Path, problem.Code = "/writeKey", codeKeyNotStored
	problem.Message = "must be left out, or be the key of the source: " +
		"the source stores its messages, and write keys are never stored"
	return &tracking.Error{Code: tracking.InvalidInput, Total: 1, Problems: []tracking.Finding{problem}}
}

// codeKeyNotStored is the code of the problem of a call with a write key of its
// own.
const codeKeyNotStored = "write_key_not_stored"

// canceled returns the error of a call that ended after so many attempts.
func canceled(endpoint string, attempts int, cause error) *tracking.Error {
	err := retry.Interrupted(endpoint, attempts, cause)
	return &tracking.Error{Code: err.Code, Err: err}
}

// writeGrace is how long a call waits for the disk after its context has ended.
const writeGrace = time.Second

// keep stores messages and returns their status.
func (s *storedSource) keep(
	ctx context.Context, messages []tracking.Prepared, endpoint string,
) (tracking.Status, *tracking.Error) {
	s.store.mu.Lock()
	closed := s.store.closed
	if !closed {
		s.store.calls.Add(1)
		defer s.store.calls.Done()
	}
	s.store.mu.Unlock()
	if closed {
		return tracking.Unsent, closedError("nothing was stored: the store has been closed")
	}
	o := storing(s, messages)
	if err := s.store.hand(ctx, o); err != nil {
		return tracking.Unsent, canceled(endpoint, 0, err)
	}
	select {
	case <-o.done:
	case <-ctx.Done(): // being written, which should not take long
		select {
		case <-o.done:
		case <-time.After(writeGrace):
			text := "the messages may have been stored: the disk did not answer before the end of the call"
			return tracking.Unconfirmed, &tracking.Error{Code: retry.DeadlineExceeded, Err: errors.New(text)}
		}
	}
	if o.err != nil {
		err := fmt.Errorf("nothing was stored or sent: %w", o.err)
		return tracking.Unsent, &tracking.Error{Code: retry.Unavailable, Err: err}
	}
	return tracking.Stored, nil
}
