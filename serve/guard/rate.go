package guard

import (
	"container/list"
	"fmt"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// limiter is a token bucket for each client. It forgets the client unseen for longest when it has too many.
type limiter struct {
	rate, burst float64
	most        int
	now         func() time.Time

	mu      sync.Mutex
	clients map[netip.Prefix]*list.Element
	recent  *list.List // of *bucket, the latest first
}

type bucket struct {
	client netip.Prefix
	left   float64
	at     time.Time
}

func newLimiter(cfg Config) *limiter {
	l := &limiter{
		rate: cfg.Rate, burst: float64(cfg.Burst), most: cfg.MaxClients, now: cfg.Clock,
		clients: map[netip.Prefix]*list.Element{}, recent: list.New(),
	}
	if l.rate == 0 {
		l.rate = DefaultRate
	}
	if l.burst < 1 {
		l.burst = max(1, l.rate*DefaultBurst/DefaultRate)
	}
	if l.most < 1 {
		l.most = DefaultMaxClients
	}
	return l
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
		Detail: fmt.Sprintf("this client sends more than the %g requests a second that it may; this one was not looked at", l.rate),
	}
}

// take takes one request out of the client's bucket, or returns how long it takes until there is one.
func (l *limiter) take(client netip.Prefix) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	element := l.clients[client]
	if element == nil {
		if len(l.clients) >= l.most {
			oldest := l.recent.Back()
			delete(l.clients, l.recent.Remove(oldest).(*bucket).client)
		}
		element = l.recent.PushFront(&bucket{client, l.burst, now})
		l.clients[client] = element
	}
	l.recent.MoveToFront(element)
	b := element.Value.(*bucket)
	if passed := now.Sub(b.at).Seconds(); passed > 0 {
		b.left, b.at = min(l.burst, b.left+passed*l.rate), now
	}
	if b.left < 1 {
		return max(time.Duration((1-b.left)/l.rate*float64(time.Second)), time.Nanosecond)
	}
	b.left--
	return 0
}

// clientOf tells clients apart. Who has an IPv6 address mostly has the 64 bits behind it as well. What has no address, such as the
// peer of a Unix socket, is one client.
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
