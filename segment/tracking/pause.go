package tracking

import (
	"sync"
	"sync/atomic"
	"time"
)

// pauseKey is what a receiver limits: one source at one place.
type pauseKey struct {
	base string
	key  WriteKey
}

// pauses remembers until when each rate limited source must stay quiet. Entries go once they have passed, so its size
// follows how many sources are limited right now. Safe for concurrent use.
type pauses struct {
	count atomic.Int64 // len(until), so that a client with no limited source takes no lock
	mu    sync.Mutex
	until map[pauseKey]time.Time
	first time.Time // the earliest of until
}

// remaining returns how long key must wait, or 0.
func (p *pauses) remaining(key pauseKey, now time.Time) time.Duration {
	if p.count.Load() == 0 {
		return 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sweep(now)
	return max(0, p.until[key].Sub(now))
}

// set makes key wait for d from now, unless it must wait longer already.
func (p *pauses) set(key pauseKey, now time.Time, d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sweep(now)
	if p.until == nil {
		p.until = make(map[pauseKey]time.Time)
	}
	until := now.Add(d)
	if until.After(p.until[key]) {
		p.until[key] = until
	}
	if p.first.IsZero() || until.Before(p.first) {
		p.first = until
	}
	p.count.Store(int64(len(p.until)))
}

func (p *pauses) sweep(now time.Time) {
	if now.Before(p.first) {
		return
	}
	p.first = time.Time{}
	for key, until := range p.until {
		switch {
		case !now.Before(until):
			delete(p.until, key)
		case p.first.IsZero() || until.Before(p.first):
			p.first = until
		}
	}
	p.count.Store(int64(len(p.until)))
}
