package delivery

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"go.etcd.io/bbolt"
	"golang.org/x/time/rate"

	"github.com/aacflow/segment-blocks/tracking"
)

const (
	firstBackoff = time.Second
	// So many messages condemned with none accepted between are no longer taken for the messages' fault.
	mostCondemned = 100
	requestsAhead = 4
)

// deliverer sends what a source has stored. It is the goroutine's own.
type deliverer struct {
	*StoredSource
	sending   tracking.Source
	limiter   *rate.Limiter
	most      int // messages at a time
	failures  int // rounds in a row that ended in trouble
	condemned int // messages, since the receiver accepted one
}

// run sends until the store closes.
func (s *StoredSource) run() {
	d := &deliverer{StoredSource: s, sending: s.source, limiter: rate.NewLimiter(rate.Inf, 0)}
	// This goroutine tries again by itself, so that what is wrong is known at once, and a closing store does not wait for it.
	d.sending.Retry.MaxRetries, d.sending.Retry.RateLimitBudget = -1, -1
	ahead := requestsAhead
	if s.source.InFlight > 0 {
		ahead = s.source.InFlight
	}
	d.most = ahead * tracking.MaxBatchMessages
	if limit := s.store.options.Rate; limit > 0 {
		d.most = min(d.most, max(1, int(limit)))
		d.limiter = rate.NewLimiter(rate.Limit(limit), d.most)
	}
	for d.round(int64(ahead) * tracking.MaxBodyBytes) {
	}
}

// round sends the first messages that wait, and waits for more or for the receiver to recover. It returns false at the end.
func (d *deliverer) round(mostBytes int64) bool {
	list, err := d.read(d.most, mostBytes)
	if err == nil && len(list) == 0 {
		select {
		case <-d.store.closing:
			return false
		case <-d.wake:
			return true
		default:
		}
		select {
		case <-d.wake:
		case <-d.store.closing:
		}
		return true
	}
	if err == nil {
		d.underWay(len(list))
		if list, err = d.expire(list); err == nil && len(list) > 0 {
			err = d.send(list)
		}
		d.underWay(0)
	}
	if d.store.ctx.Err() != nil {
		return false
	}
	return d.recovered(err)
}

func (d *deliverer) underWay(n int) {
	d.store.mu.Lock()
	defer d.store.mu.Unlock()
	d.inFlight = n
}

// send delivers messages and deletes what has been accepted. What the receiver refuses for one of them it sends again half by half, until the
// one is found, which becomes a dead letter. What is neither stays where it is.
func (d *deliverer) send(list []kept) error {
	if err := d.limiter.WaitN(d.store.ctx, len(list)); err != nil {
		return err
	}
	messages := make([]tracking.Prepared, len(list))
	for i, k := range list {
		messages[i] = k.message
	}
	report, err := post(d.store.ctx, d.store.options.Client, d.sending, messages)
	var accepted, refused []kept
	for i, o := range report.Messages {
		switch {
		case o.Status == tracking.Accepted:
			accepted = append(accepted, list[i])
		case o.Status == tracking.Rejected, o.Status == tracking.Unconfirmed && answeredOK(err):
			refused = append(refused, list[i])
		}
	}
	if len(accepted) > 0 {
		d.condemned = 0
		if err := d.finish(func(b *bbolt.Bucket) change { return remove(b, accepted, len(accepted)) }); err != nil {
			return err
		}
	}
	switch {
	case err == nil || !onesFault(err) || len(refused) == 0:
		return err
	case len(refused) > 1:
		half := len(refused) / 2
		if err := d.send(refused[:half]); err != nil {
			return err
		}
		return d.send(refused[half:])
	case d.condemned == mostCondemned:
		return err
	}
	d.condemned++
	return d.condemn(refused, err.Error())
}

// answeredOK tells of a 2xx that did not take all of a request.
func answeredOK(err error) bool {
	var e *tracking.Error
	return errors.As(err, &e) && e.Status >= 200 && e.Status < 300
}

// expire makes dead letters of what is too old or damaged, and returns the rest.
func (d *deliverer) expire(list []kept) ([]kept, error) {
	most := d.store.options.MaxAge
	var old, rest []kept
	for _, k := range list {
		switch {
		case k.err != nil:
			if err := d.condemn([]kept{k}, k.err.Error()); err != nil {
				return nil, err
			}
		case most > 0 && time.Since(stampOf(k.stored)) > most:
			old = append(old, k)
		default:
			rest = append(rest, k)
		}
	}
	if len(old) == 0 {
		return rest, nil
	}
	reason := fmt.Sprintf("it was not accepted within %s", most)
	if trouble := d.currentTrouble(); trouble != "" {
		reason += ": " + trouble
	}
	return rest, d.condemn(old, reason)
}

func (d *deliverer) currentTrouble() string {
	d.store.mu.Lock()
	defer d.store.mu.Unlock()
	return d.trouble
}

// condemn makes dead letters of messages.
func (d *deliverer) condemn(list []kept, reason string) error {
	for _, k := range list {
		d.store.logger.Error("a message became a dead letter", "source", d.name, "messageId", k.message.MessageID(), "reason", reason)
	}
	return d.finish(func(b *bbolt.Bucket) change {
		did := remove(b, list, 0)
		dead := b.Bucket(deadBucket)
		for _, k := range list {
			value := writeDead(k.stored, time.Now(), reason)
			did.bytes += int64(len(value))
			did.err = errors.Join(did.err, dead.Put(k.key, value))
		}
		did.dead = len(list)
		return did
	})
}

func remove(b *bbolt.Bucket, list []kept, delivered int) change {
	did := change{waiting: -len(list), delivered: delivered}
	waiting := b.Bucket(waitingBucket)
	for _, k := range list {
		did.bytes -= k.bytes
		if err := waiting.Delete(k.key); err != nil {
			did.err = err
		}
	}
	return did
}

// finish writes what became of messages. While the disk does not take that, nothing else is sent: it would be sent again and again.
func (d *deliverer) finish(apply func(b *bbolt.Bucket) change) error {
	for wait := firstBackoff; ; wait = min(2*wait, d.store.options.MaxBackoff) {
		_, err := d.store.perform(d.StoredSource, apply)
		if err == nil {
			return nil
		}
		err = fmt.Errorf("what has been delivered cannot be written down: %w", err)
		d.say(err)
		if !d.sleep(wait) {
			return err
		}
	}
}

// recovered notes how a round ended. After trouble it waits, and returns false when the store closes meanwhile.
func (d *deliverer) recovered(err error) bool {
	if err == nil {
		d.failures = 0
		d.say(nil)
		return true
	}
	d.say(err)
	longest := d.store.options.MaxBackoff
	wait := longest
	if d.failures < 20 && !blamesSource(err) {
		wait = min(firstBackoff<<d.failures, longest)
	}
	wait = wait/2 + rand.N(wait/2+1)
	d.failures++
	var failed *tracking.Error
	if errors.As(err, &failed) {
		wait = max(wait, failed.RetryAfter)
	}
	return d.sleep(wait)
}

// blamesSource tells of errors that go away only when somebody mends the source, or the receiver.
func blamesSource(err error) bool {
	var failed *tracking.Error
	if !errors.As(err, &failed) {
		return false
	}
	switch failed.Kind {
	case tracking.KindUnauthorized, tracking.KindRejected, tracking.KindTooLarge, tracking.KindSource:
		return true
	}
	return false
}

// say keeps the trouble for Stats and logs it when it changes.
func (d *deliverer) say(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	d.store.mu.Lock()
	before, waiting := d.trouble, d.waiting
	d.trouble = text
	d.store.mu.Unlock()
	switch {
	case text == before:
	case err == nil:
		d.store.logger.Info("messages are being delivered again", "source", d.name, "waiting", waiting)
	case blamesSource(err):
		d.store.logger.Error("the receiver refuses the source: nothing is delivered until that is mended", "source", d.name, "waiting", waiting, "reason", text)
	default:
		d.store.logger.Warn("messages cannot be delivered at present", "source", d.name, "waiting", waiting, "reason", text)
	}
}

// sleep waits, and returns false when the store closes.
func (d *deliverer) sleep(wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-d.store.closing:
		return false
	}
}
