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
	added bool // not only found in the file
	err   error
	wake  chan struct{}
	stats Stats // guarded by the store's lock, but for the name
}

// Source adds a source under a name, by which its messages are kept, and begins
// to send what there is of it. Call it once for a name; the same name finds the
// messages again in another process, with whatever region, endpoint and write
// key the source has then. A runtime reports what is wrong with the source or
// its name; such a source takes and sends nothing.
//
// A call returns when its messages are on disk, or could not be stored: then
// none of them is. Its client only checks and writes them. The error is a
// [*tracking.Error]. Its code is [retry.Unavailable] when the store is
// full or the disk does not take them: the call may be made again later. A call
// that brings a write key of its own is refused, as [tracking.InvalidInput]: the
// key would have to be kept with the messages, and write keys are not written
// to disk. When the context ends before they are being written, nothing is
// stored; when the disk does not answer for a second after it has ended, they
// are unconfirmed.
func (s *Store) Source(name string, source tracking.Source) tracking.Sender {
	s.mu.Lock()
	defer s.mu.Unlock()
	stored := s.sources[name]
	switch {
	case stored != nil && stored.added:
		err := fmt.Errorf("the store has a source of this name already: %q", name)
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

// compareKeys warns when messages are going to leave with another key than they
// were stored for. They do leave: keys of a source are rotated, and messages
// that nobody sends would die of age. What a message is for is the name of its
// source, not the key.
func (s *storedSource) compareKeys() {
	before, now := s.stats.StoredWith, s.WriteKey.Fingerprint()
	if s.stats.Waiting > 0 && before != "" && before != now {
		s.store.logger.Warn("the source has another write key than when its messages were stored; "+
			"they are sent with the new one",
			"source", s.stats.Source, "waiting", s.stats.Waiting, "before", before, "now", now)
	}
}

// Validate reports what is wrong with the source's settings, as
// [tracking.Source.Validate], or with its name.
func (s *storedSource) Validate() error { return s.err }

// Describe is that of [tracking.Source], with [Durable].
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

// accepts says why a call whose messages are good cannot be stored.
func (s *storedSource) accepts(call tracking.Call) error {
	switch {
	case s.err != nil:
		return &tracking.Error{Code: tracking.InvalidSource, Err: s.err, Total: len(call.Messages)}
	case call.WriteKey == "", call.WriteKey == s.WriteKey:
		return nil
	}
	problem := tracking.Finding{Index: -1}
	problem.Path, problem.Code = "/writeKey", codeKeyNotStored
	problem.Message = "must be left out, or be that of the source: " +
		"the source stores its messages, and write keys are never stored"
	return &tracking.Error{Code: tracking.InvalidInput, Total: 1, Problems: []tracking.Finding{problem}}
}

// codeKeyNotStored is the code of the problem of a call that brings a write key
// to a source that stores its messages.
const codeKeyNotStored = "write_key_not_stored"

// canceled is the error of a call that was ended after so many attempts.
func canceled(endpoint string, attempts int, cause error) *tracking.Error {
	err := retry.Interrupted(endpoint, attempts, cause)
	return &tracking.Error{Code: err.Code, Err: err}
}

// A call whose context ends while it is written waits for so long to learn what
// became of it.
const writeGrace = time.Second

// keep has messages written, waits for it, and returns what became of them.
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
	case <-ctx.Done(): // it is being written, which should not take long
		select {
		case <-o.done:
		case <-time.After(writeGrace):
			text := "whether it was stored is not known: the disk takes longer than the call may"
			return tracking.Unconfirmed, &tracking.Error{Code: retry.DeadlineExceeded, Err: errors.New(text)}
		}
	}
	if o.err != nil {
		err := fmt.Errorf("nothing was stored or sent: %w", o.err)
		return tracking.Unsent, &tracking.Error{Code: retry.Unavailable, Err: err}
	}
	return tracking.Stored, nil
}
