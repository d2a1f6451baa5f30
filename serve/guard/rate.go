package guard

import (
	"cmp"
	"fmt"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/time/rate"
)

// limiter has a token bucket for each client. When it has too many, it forgets the client that it
// has not seen for longest.
type limiter struct {
	rate  float64 // negative is no limit
	burst int
	now   func() time.Time

	mu      sync.Mutex
	buckets *simplelru.LRU[netip.Prefix, *rate.Limiter]
}

func newLimiter(cfg Config) *limiter {
	cfg.Rate = cmp.Or(cfg.Rate, defaultRate)
	if cfg.Burst < 1 {
		cfg.Burst = max(1, int(cfg.Rate*defaultBurst/defaultRate))
	}
	if cfg.MaxClients < 1 {
		cfg.MaxClients = defaultMaxClients
	}
	buckets, _ := simplelru.NewLRU[netip.Prefix, *rate.Limiter](cfg.MaxClients, nil) // fails for sizes below 1
	return &limiter{rate: cfg.Rate, burst: cfg.Burst, now: cfg.Clock, buckets: buckets}
}

func (l *limiter) check(r *http.Request) *Problem {
	if l.rate < 0 {
		return nil
	}
	wait := l.take(clientOf(r.RemoteAddr))
	if wait == 0 {
		return nil
	}
	return &Problem{
		Status: http.StatusTooManyRequests, Code: "too_many_requests", Retryable: true, RetryAfter: wait,
		Detail: fmt.Sprintf("this client may send %g requests a second and sends more; this one was not looked at", l.rate),
	}
}

// take takes one request out of the client's bucket, or returns how long it takes until there is
// one.
func (l *limiter) take(client netip.Prefix) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	bucket, ok := l.buckets.Get(client)
	if !ok {
		bucket = rate.NewLimiter(rate.Limit(l.rate), l.burst)
		l.buckets.Add(client, bucket)
	}
	now := l.now()
	reserved := bucket.ReserveN(now, 1)
	wait := reserved.DelayFrom(now)
	if wait > 0 {
		reserved.CancelAt(now) // what is refused costs nothing
	}
	return wait
}

// clientOf tells clients apart. Whoever has an IPv6 address mostly has the 64 bits behind it as
// well. Peers without an address, such as those of a Unix socket, are one client.
func clientOf(remote string) netip.Prefix {
	at, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Prefix{}
	}
	ip, bits := at.Addr().Unmap().WithZone(""), 64
	if ip.Is4() {
		bits = 32
	}
	prefix, _ := ip.Prefix(bits)
	return prefix
}
