package guard

import (
	"fmt"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/time/rate"
)

// maxClients is how many clients a limiter remembers. They cost about two megabytes.
const maxClients = 10_000

// limiter has a token bucket for each client. When it has too many, it forgets the client that it
// has not seen for longest.
type limiter struct {
	rate float64 // negative is no limit

	mu      sync.Mutex
	buckets *simplelru.LRU[netip.Prefix, *rate.Limiter]
}

func newLimiter(perSecond float64) *limiter {
	buckets, _ := simplelru.NewLRU[netip.Prefix, *rate.Limiter](maxClients, nil) // fails for sizes below 1
	return &limiter{rate: perSecond, buckets: buckets}
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
		Detail: fmt.Sprintf("this client may send %g requests a second and sends more; this one was not looked at",
			l.rate),
	}
}

// take takes one request out of the client's bucket, or returns how long it takes until there is
// one.
func (l *limiter) take(client netip.Prefix) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	bucket, ok := l.buckets.Get(client)
	if !ok {
		bucket = rate.NewLimiter(rate.Limit(l.rate), max(1, int(2*l.rate)))
		l.buckets.Add(client, bucket)
	}
	reserved := bucket.Reserve()
	wait := reserved.Delay()
	if wait > 0 {
		reserved.Cancel() // what is refused costs nothing
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
