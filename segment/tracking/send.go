package tracking

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/aacflow/segment-blocks/internal/isotime"
	"github.com/aacflow/segment-blocks/runtime/retry"
)

// Send sends a batch, in as many requests as the limits require. It returns when all messages are
// accepted, or when a request has failed for good and those in progress have ended.
//
// Messages that share a userId, anonymousId or previousId, directly or through other messages of
// the batch, are sent in order; others may be sent in parallel, [Source.InFlight] requests at once.
// After a request fails for good, no new one starts. The report is complete even with an error, and
// has the outcome of each message. The error is an [*Error].
//
// Send retries by the source's policy, and pauses with every other call to the source while it is
// rate limited. It is safe to send the batch again, or to prepare and send the call again with the
// same InvocationID.
func (c *Client) Send(ctx context.Context, b *Batch) (Report, error) {
	report := b.Report()
	endpoint, err := b.Source.check()
	if err != nil || len(b.Messages) == 0 {
		return report, err
	}
	report.Endpoint = endpoint
	s := &sending{
		client: c, Batch: b, alone: b.Alone && len(b.Messages) == 1, report: report,
		header: maps.Clone(c.header),
	}
	s.header["Authorization"] = []string{b.Source.WriteKey.authorization()}
	s.run(ctx)
	if s.panic != nil {
		panic(s.panic)
	}
	if s.failure == nil {
		return s.report, nil
	}
	return s.report, &Error{
		Code: s.failure.Code, Accepted: s.report.Accepted, Unconfirmed: s.report.Count(Unconfirmed),
		Total: len(b.Messages),
		Err:   s.failure, unsent: s.report.Attempts == 0 && s.failure.Code != retry.RateLimited,
	}
}

// sending is a batch in progress: its partitions run in parallel, and each sends its requests in
// sequence.
type sending struct {
	*Batch
	client *Client
	alone  bool
	header http.Header

	mu      sync.Mutex // guards what follows
	report  Report
	waiting map[*request]context.CancelFunc // those before their first attempts; nil with one partition
	failure *retry.Error                    // the first for good
	panic   any                             // of a partition's goroutine
}

// requests divides the messages into partitions of requests. Requests are numbered in the order of
// their first messages.
func (s *sending) requests() [][]*request {
	if s.alone {
		return [][]*request{{{messages: []int{0}, size: aloneBytes + s.Messages[0].size()}}}
	}
	partitions := split(s.Messages, cmp.Or(s.Source.InFlight, defaultInFlight))
	all := slices.Concat(partitions...)
	slices.SortFunc(all, func(a, b *request) int { return cmp.Compare(a.messages[0], b.messages[0]) })
	for n, r := range all {
		r.number = n
	}
	if s.client.oneByOne {
		return [][]*request{all}
	}
	return partitions
}

func (s *sending) run(ctx context.Context) {
	partitions := s.requests()
	if len(partitions) > 1 {
		s.waiting = map[*request]context.CancelFunc{}
	}
	var others sync.WaitGroup
	for _, p := range partitions[1:] {
		others.Go(func() {
			defer s.catch()
			s.sendInOrder(ctx, p)
		})
	}
	defer others.Wait()               // also when this partition panics
	s.sendInOrder(ctx, partitions[0]) // a lone partition starts no goroutine
}

func (s *sending) sendInOrder(ctx context.Context, requests []*request) {
	for _, r := range requests {
		if !s.send(ctx, r) {
			return
		}
	}
}

// send sends one request and records its outcome. It returns false if no other may follow.
func (s *sending) send(ctx context.Context, r *request) bool {
	if s.waiting != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		defer cancel()
		if !s.begin(r, cancel) {
			return false
		}
	}
	key, header := s.Source.WriteKey, s.header
	zipped := s.Source.Gzip && r.size >= gzipBytes
	if zipped {
		header = header.Clone()
		header["Content-Encoding"] = []string{"gzip"}
	}
	_, err := s.client.retry.Send(ctx, &retry.Request{
		URL: s.report.Endpoint + s.path(), Endpoint: s.report.Endpoint, Credential: string(key), Header: header,
		Body: func() ([]byte, error) {
			err := s.try(ctx, r)
			switch {
			case err != nil:
				return nil, err
			case zipped:
				return compress(s.body(r))
			}
			return s.body(r), nil
		},
		MaxAnswer: 64<<10 + r.size + 1<<10*len(r.messages), // it may repeat all, and say something about each
		Judge:     func(a *retry.Answer) retry.Decision { return judge(a, len(r.messages)) },
		Redact:    key.scrub,
		Policy:    s.Source.Retry,
	})
	failure, failed := errors.AsType[*retry.Error](err)
	s.record(r, failure)
	return !failed
}

// path returns where requests go, below the endpoint.
func (s *sending) path() string {
	if !s.alone {
		return BatchPath
	}
	// This is what preparer.message has written first.
	typ, _, _ := bytes.Cut(s.Messages[0].item[len(itemOpening):], []byte{'"'})
	return Type(typ).Path()
}

// begin allows a request to start, unless another has failed for good.
func (s *sending) begin(r *request, cancel context.CancelFunc) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failure != nil {
		return false
	}
	s.waiting[r] = cancel
	return true
}

// try records that a request is tried. From then on, the failure of another does not stop it.
func (s *sending) try(ctx context.Context, r *request) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.waiting, r)
	if ctx.Err() != nil { // the last moment at which nothing has been sent
		return ctx.Err()
	}
	r.attempts++
	return nil
}

func (s *sending) record(r *request, failure *retry.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	status := Unsent
	switch {
	case failure == nil:
		status = Accepted
		s.report.Accepted += len(r.messages)
	case failure.InDoubt:
		status = Unconfirmed
	case failure.Sent:
		status = Rejected
	}
	for _, i := range r.messages {
		s.report.Messages[i].Status = status
		if r.attempts > 0 {
			s.report.Messages[i].Request = r.number
		}
	}
	s.report.Attempts += r.attempts
	s.report.Bytes += r.attempts * r.size
	s.report.Requests += min(r.attempts, 1)
	if failure != nil && s.failure == nil {
		s.failure = failure
		for _, cancel := range s.waiting {
			cancel()
		}
	}
}

// body writes the body of an attempt. Each attempt needs a new one, because it holds the time, and
// the transport may still be reading the last one. So a large batch is not in memory twice before
// its turn.
func (s *sending) body(r *request) []byte {
	buf := append(make([]byte, 0, r.size), sentAtOpen...)
	buf = append(isotime.Append(buf, time.Now()), sentAtClose...)
	if s.alone {
		m := s.Messages[0]
		m.item, m.gap = m.item[len(`{`):], max(m.gap-int32(len(`{`)), 0)
		return m.appendTo(buf)
	}
	buf = append(buf, batchOpen...)
	for n, i := range r.messages {
		if n > 0 {
			buf = append(buf, ',')
		}
		buf = s.Messages[i].appendTo(buf)
	}
	return append(buf, batchClose...)
}

// gzipBytes is the smallest body that is compressed. A smaller one fits into a packet or two
// anyway.
const gzipBytes = 1 << 10

// compress returns data as gzip.
func compress(data []byte) ([]byte, error) {
	var buf bytes.Buffer
	buf.Grow(len(data) / 4)
	w, _ := gzip.NewWriterLevel(&buf, gzip.BestSpeed) // no error: the level exists
	_, err := w.Write(data)
	if err = errors.Join(err, w.Close()); err != nil {
		return nil, fmt.Errorf("compress the body: %w", err)
	}
	return buf.Bytes(), nil
}

// catch passes the panic of a partition, such as one in the caller's transport, to the caller's
// goroutine, which may recover it.
func (s *sending) catch() {
	if p := recover(); p != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.panic = &panicError{p, debug.Stack()}
	}
}

// panicError is a panic of another goroutine, with its stack. Package delivery logs that.
type panicError struct {
	value any
	stack []byte
}

func (p *panicError) Error() string { return fmt.Sprint(p.value) }

// Stack returns the stack of the goroutine that panicked.
func (p *panicError) Stack() []byte { return p.stack }
