package delivery

import (
	"errors"
	"fmt"
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
	// So many messages condemned with none accepted between are no longer taken for the messages'
	// fault, unless one from the end is accepted.
	mostCondemned = 100
	requestsAhead = 4
)

// deliverer sends what a source has stored. It is the goroutine's own.
//
// When a request is refused for one of its messages, the first half of them is sent next, until the
// one is found, which becomes a dead letter. That takes several rounds, and outlives those that
// fail for another reason.
type deliverer struct {
	*StoredSource
	sending   tracking.Source
	limiter   *rate.Limiter
	most      int   // messages at a time
	mostBytes int64 // of them
	together  int   // messages to send at a time while none is suspected
	suspects  int   // so many of the first messages were refused together
	clean     int   // messages accepted since one was condemned
	failures  int   // rounds that ended in trouble since a message was accepted
	condemned int   // messages, since the receiver accepted one
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
	d.most, d.mostBytes = ahead*tracking.MaxBatchMessages, int64(ahead)*tracking.MaxBodyBytes
	if limit := s.store.options.Rate; limit > 0 {
		d.most = min(d.most, max(1, int(limit)))
		d.limiter = rate.NewLimiter(rate.Limit(limit), d.most)
	}
	d.together = d.most
	for d.survive() {
	}
}

// survive is round, and after a panic goes on with the messages where they are.
func (d *deliverer) survive() (more bool) {
	defer caught(d.store.logger, d.source, func(err *PanicError) {
		d.underWay(0)
		more = d.recovered(err)
	})
	return d.round()
}

// round sends the first messages that wait, and waits for more or for the receiver to recover. It returns false at the end.
func (d *deliverer) round() bool {
	size := d.together
	if d.suspects > 0 {
		size = (d.suspects + 1) / 2
	}
	list, err := d.read(0, size, d.mostBytes)
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
	if errors.Is(err, errSuspects) {
		return true
	}
	return d.recovered(err)
}

// errSuspects tells that the messages of a round were refused together.
var errSuspects = errors.New("one of several messages was refused")

func (d *deliverer) underWay(n int) {
	d.store.mu.Lock()
	defer d.store.mu.Unlock()
	d.inFlight = n
}

// send delivers the first messages and deletes what has been accepted. One that is refused by
// itself becomes a dead letter. What is neither stays where it is.
func (d *deliverer) send(list []kept) error {
	left, refused, err := d.post(list)
	switch {
	case err == nil:
		if d.suspects == 0 {
			d.together = min(2*d.together, d.most)
		}
		return nil
	case !refused:
		return err
	case len(left) > 1:
		d.suspects = len(left)
		return errSuspects
	}
	if d.condemned >= mostCondemned {
		accepted, trouble := d.probe()
		switch {
		case trouble != nil:
			return trouble
		case !accepted:
			return err
		}
	}
	d.condemned++
	d.suspects, d.together, d.clean = 0, max(1, d.clean), 0
	return d.condemn(left, err.Error())
}

// post sends messages and deletes what has been accepted. It returns the others, and whether the
// receiver refuses one of them for itself, as far as one can tell.
func (d *deliverer) post(list []kept) (left []kept, refused bool, err error) {
	if err := d.limiter.WaitN(d.store.ctx, len(list)); err != nil {
		return list, false, err
	}
	messages := make([]tracking.Prepared, len(list))
	for i, k := range list {
		messages[i] = k.message
	}
	report, err := d.store.options.Client.Send(d.store.ctx, &tracking.Batch{Source: d.sending, Messages: messages})
	var accepted []kept
	for i, o := range report.Messages {
		if o.Status == tracking.Accepted {
			accepted = append(accepted, list[i])
			continue
		}
		left = append(left, list[i])
		refused = refused || o.Status == tracking.Rejected || o.Status == tracking.Unconfirmed && answeredOK(err)
	}
	if len(accepted) > 0 {
		d.condemned, d.failures = 0, 0
		d.suspects, d.clean = max(0, d.suspects-len(accepted)), d.clean+len(accepted)
		if err := d.finish(func(b *bbolt.Bucket) change { return remove(b, accepted, len(accepted)) }); err != nil {
			return left, false, err
		}
	}
	return left, refused && onesFault(err), err
}

// probe sends some of the last messages, one by one, until one is accepted. It tells a receiver
// that refuses every message from one that refuses the many that come first. No probe overtakes an
// earlier message of the same person.
func (d *deliverer) probe() (accepted bool, err error) {
	const most = 5
	list, err := d.readLast(most)
	if err != nil {
		return false, err
	}
	for _, k := range slices.Backward(list) {
		left, refused, err := d.post([]kept{k})
		switch {
		case len(left) == 0:
			return true, err
		case !refused:
			return false, err
		}
	}
	return false, nil
}

// readLast returns the last messages that wait, but for those that share a person with an earlier
// one, and the first of all.
func (s *StoredSource) readLast(most int) ([]kept, error) {
	first, err := s.fromEnd(most)
	if err != nil {
		return nil, err
	}
	list, err := s.read(first, most, tracking.MaxBodyBytes)
	if err != nil {
		return nil, err
	}
	list = slices.DeleteFunc(list, func(k kept) bool { return k.err != nil })
	owners := map[string][]uint64{} // the messages among them that an id is in
	for _, k := range list {
		for _, id := range k.message.UserIDs() {
			owners[string(id)] = append(owners[string(id)], sequence(k.key))
		}
	}
	later := map[uint64]bool{}
	start := true
	for letter, err := range s.store.Waiting(s.name) {
		if err != nil {
			return nil, err
		}
		if start {
			start, later[letter.ID] = false, true
		}
		if len(list) == 0 || letter.ID >= sequence(list[len(list)-1].key) {
			break
		}
		m, err := tracking.ReadPrepared(letter.Message)
		if err != nil {
			continue
		}
		for _, id := range m.UserIDs() {
			for _, owner := range owners[string(id)] {
				later[owner] = later[owner] || owner > letter.ID
			}
		}
	}
	return slices.DeleteFunc(list, func(k kept) bool { return later[sequence(k.key)] }), nil
}

// fromEnd returns the key of the message before which all but the last ones wait.
func (s *StoredSource) fromEnd(most int) (first uint64, err error) {
	err = s.store.view(func(tx *bbolt.Tx) error {
		cursor := waitingOf(tx, s.name).Cursor()
		for key, _ := cursor.Last(); key != nil && most > 0; key, _ = cursor.Prev() {
			first = sequence(key)
			most--
		}
		return nil
	})
	return first, err
}

// answeredOK tells of a 2xx that did not take all of a request.
func answeredOK(err error) bool {
	var e *retry.Error
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
			value := seal(d.name, deadBucket, k.key, newDead(k.stored, time.Now(), reason, k.err != nil))
			did.bytes, did.sum = did.bytes+int64(len(value)), did.sum+sealOf(value)
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
		did.bytes, did.sum = did.bytes-k.bytes, did.sum-k.seal
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
	var failed *retry.Error
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
	switch failed.Code {
	case retry.Unauthorized, retry.Rejected, retry.TooLarge, tracking.InvalidSource:
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
