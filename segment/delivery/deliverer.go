package delivery

import (
	"cmp"
	"errors"
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"slices"
	"time"

	"go.etcd.io/bbolt"
	"golang.org/x/time/rate"

	"github.com/aacflow/segment-blocks/runtime/retry"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

const (
	firstBackoff = time.Second / 4
	// After so many dead letters, with no message accepted between, the
	// receiver seems to refuse all messages, unless it accepts one of the last.
	mostDeadLetters = 100
	requestsAhead   = 4
)

// deliverer sends what a source has stored. Only its goroutine uses it.
type deliverer struct {
	*storedSource
	sending     tracking.Source
	limiter     *rate.Limiter
	most        int   // messages at a time
	mostBytes   int64 // of them
	size        int   // of the next request
	suspects    int   // how many of the first messages were refused together
	clean       int   // messages accepted since the last dead letter
	failures    int   // in a row, since a message was accepted
	deadLetters int   // since a message was accepted
	ended       bool
}

// run sends the messages of a source until the store closes.
func (s *storedSource) run() {
	d := &deliverer{storedSource: s, sending: s.Source, limiter: rate.NewLimiter(rate.Inf, 0)}
	// The deliverer retries by itself: it notes each error at once, and stops
	// waiting when the store closes.
	d.sending.Retry.MaxRetries, d.sending.Retry.RateLimitBudget = -1, -1
	ahead := requestsAhead
	if s.InFlight > 0 {
		ahead = s.InFlight
	}
	d.most, d.mostBytes = ahead*tracking.MaxBatchMessages, int64(ahead)*tracking.MaxBodyBytes
	if limit := s.store.options.Rate; limit > 0 {
		d.most = min(d.most, max(1, int(limit)))
		d.limiter = rate.NewLimiter(rate.Limit(limit), d.most)
	}
	for d.size = d.most; !d.ended; {
		d.round()
	}
}

// round sends the first waiting messages, or waits for some.
//
// After a request that was refused for its messages, the next one has the first
// half of them, until the message to blame is found. After a request that
// failed for another reason, requests are smaller until one is accepted.
func (d *deliverer) round() {
	defer caught(d.store.logger, d.Source, d.proceed)
	closing := d.store.closing.Err() != nil // asked before reading, so that no message is missed
	n := d.size
	if d.suspects > 0 {
		n = (d.suspects + 1) / 2
	}
	list, err := d.store.read(d.stats.Source, waitingBucket, 0, n, d.mostBytes)
	switch {
	case err != nil:
		d.proceed(err)
	case len(list) > 0:
		if list = d.expire(list); len(list) > 0 {
			d.deliver(list)
		}
	case closing:
		d.ended = true
	default:
		select {
		case <-d.wake:
		case <-d.store.closing.Done():
		}
	}
}

// deliver sends messages once. One that is refused by itself becomes a dead
// letter.
func (d *deliverer) deliver(list []entry) {
	left, err := d.send(list)
	accepted := len(list) - len(left)
	d.suspects, d.clean = max(0, d.suspects-accepted), d.clean+accepted
	switch {
	case d.ended:
	case err == nil:
		d.size = min(2*d.size, d.most)
		d.proceed(nil)
	case tracking.Refusal(err) == nil:
		d.size = max(1, d.size/2)
		d.proceed(err)
	case len(left) > 1:
		d.suspects = len(left)
	default:
		if d.deadLetters >= mostDeadLetters {
			if probed, probing := d.probe(); !probed {
				d.proceed(cmp.Or(probing, err))
				return
			}
		}
		d.deadLetters++
		left[0].Reason = err.Error()
		d.deadLetter(left)
		d.proceed(nil)
		d.suspects, d.size, d.clean = 0, min(max(1, d.clean), d.most), 0
	}
}

// send sends messages, deletes those that were accepted, and returns the
// others.
func (d *deliverer) send(list []entry) (left []entry, err error) {
	if d.ended {
		return list, nil
	}
	if err := d.limiter.WaitN(d.store.ctx, len(list)); err != nil {
		d.ended = true
		return list, err
	}
	messages := make([]tracking.Prepared, len(list))
	for i, e := range list {
		messages[i] = e.prepared
	}
	d.update(func(s *Stats) { s.InFlight = len(list) })
	defer d.update(func(s *Stats) { s.InFlight = 0 })
	report, err := d.store.options.Client.Send(d.store.ctx, &tracking.Batch{Source: d.sending, Messages: messages})
	var accepted []entry
	for i, o := range report.Messages {
		if o.Status == tracking.Accepted {
			accepted = append(accepted, list[i])
		} else {
			left = append(left, list[i])
		}
	}
	if len(accepted) > 0 {
		d.deadLetters, d.failures = 0, 0
		d.write(accepted, false)
	}
	d.ended = d.ended || d.store.ctx.Err() != nil
	return left, err
}

func (d *deliverer) update(change func(s *Stats)) {
	d.store.mu.Lock()
	defer d.store.mu.Unlock()
	change(&d.stats)
}

// probe sends some of the last messages, one by one, until one is accepted. It
// finds out whether the receiver refuses every message, or only the many that
// come first.
func (d *deliverer) probe() (accepted bool, err error) {
	list, err := d.probes()
	for _, e := range slices.Backward(list) {
		left, err := d.send([]entry{e})
		if len(left) == 0 {
			return true, nil
		}
		if tracking.Refusal(err) == nil {
			return false, err
		}
	}
	return false, err
}

// probes returns some of the last waiting messages, but not the first of all,
// and none that would overtake an earlier message of the same person.
func (d *deliverer) probes() (list []entry, err error) {
	const most = 5
	seed, people, first := maphash.MakeSeed(), map[uint64]bool{}, true
	for e, err := range d.store.entries(d.stats.Source, waitingBucket) {
		if err != nil {
			return nil, err
		}
		if e.Damaged {
			continue
		}
		seen := first
		first = false
		for _, id := range e.prepared.UserIDs() {
			hash := maphash.Bytes(seed, id)
			seen = seen || people[hash]
			people[hash] = true
		}
		if !seen {
			list = append(list[max(0, len(list)+1-most):], e)
		}
	}
	return list, nil
}

// expire makes dead letters of messages that are too old or damaged, and
// returns the others.
func (d *deliverer) expire(list []entry) (rest []entry) {
	most := d.store.options.MaxAge
	var dead []entry
	for _, e := range list {
		switch {
		case e.Damaged:
			dead = append(dead, e)
		case most > 0 && time.Since(e.StoredAt) > most:
			e.Reason = fmt.Sprintf("it was not accepted within %s", most)
			if d.stats.LastError != "" {
				e.Reason += ": " + d.stats.LastError
			}
			dead = append(dead, e)
		default:
			rest = append(rest, e)
		}
	}
	if len(dead) > 0 {
		d.deadLetter(dead)
	}
	return rest
}

// deadLetter makes dead letters of messages, each for its Reason.
func (d *deliverer) deadLetter(list []entry) {
	for _, e := range list {
		d.store.logger.Error("a message became a dead letter",
			"source", e.Source, "messageId", e.MessageID, "reason", e.Reason)
	}
	d.write(list, true)
}

// write removes accepted messages from the waiting ones, or makes them dead
// letters. It retries until the disk takes that, because otherwise the messages
// would be sent again and again.
func (d *deliverer) write(list []entry, dead bool) {
	apply := func(tx *bbolt.Tx) (did change, err error) {
		for _, e := range list {
			did.waiting--
			did.removed(e)
			err = errors.Join(err, bucketOf(tx, waitingBucket, e.Source).Delete(keyOf(e.ID)))
			if !dead {
				did.delivered++
				continue
			}
			e.DiedAt = time.Now()
			record := e.record(deadBucket)
			did.dead++
			did.added(record)
			err = errors.Join(err, bucketOf(tx, deadBucket, e.Source).Put(keyOf(e.ID), record))
		}
		return did, err
	}
	for wait := firstBackoff; !d.ended; wait = min(2*wait, d.store.options.MaxBackoff) {
		_, err := d.store.perform(d.storedSource, apply)
		if err == nil {
			return
		}
		d.note(fmt.Errorf("the store cannot record what was delivered: %w", err))
		d.sleep(wait)
	}
}

// proceed notes an error and waits before the next try. A nil error means that
// all went well.
func (d *deliverer) proceed(err error) {
	d.note(err)
	if err == nil {
		d.failures = 0
		return
	}
	longest := d.store.options.MaxBackoff
	wait := longest
	if d.failures < 20 && !refusesSource(err) {
		wait = min(firstBackoff<<d.failures, longest)
	}
	wait = wait/2 + rand.N(wait/2+1)
	d.failures++
	if failed, ok := errors.AsType[*retry.Error](err); ok {
		wait = max(wait, failed.RetryAfter)
	}
	d.update(func(s *Stats) { s.Retried++ })
	d.sleep(wait)
}

// refusesSource tells whether an error stays until somebody corrects the source
// or the receiver.
func refusesSource(err error) bool {
	failed, ok := errors.AsType[*tracking.Error](err)
	return ok && slices.Contains(
		[]retry.Code{retry.Unauthorized, retry.Rejected, retry.TooLarge, tracking.InvalidSource}, failed.Code,
	)
}

// note keeps an error for Stats, nil for none, and logs it when it changes.
func (d *deliverer) note(err error) {
	text, before, waiting := "", "", 0
	if err != nil {
		text = err.Error()
	}
	d.update(func(s *Stats) { before, waiting, s.LastError = s.LastError, s.Waiting, text })
	logger := d.store.logger.With("source", d.stats.Source, "waiting", waiting)
	switch {
	case text == before:
	case err == nil:
		logger.Info("messages are being delivered again")
	case refusesSource(err):
		logger.Error("the receiver refuses the source, and nothing is delivered until that is fixed", "reason", err)
	default:
		logger.Warn("messages cannot be delivered at present", "reason", err)
	}
}

// sleep waits, and ends the deliverer if the store closes meanwhile.
func (d *deliverer) sleep(wait time.Duration) {
	d.update(func(s *Stats) { s.WaitsUntil = time.Now().Add(wait) })
	defer d.update(func(s *Stats) { s.WaitsUntil = time.Time{} })
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-d.store.closing.Done():
		d.ended = true
	}
}
