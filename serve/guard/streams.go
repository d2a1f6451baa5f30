package guard

import (
	"fmt"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// Bounds of the streams that a [Streams] has open: of all clients together, and of one.
const (
	maxStreams       = 64
	maxClientStreams = 16
)

// StreamHeartbeat is how often a stream says that it is alive.
const StreamHeartbeat = 15 * time.Second

// Streams counts the streams of server-sent events that are open. The zero value is ready. It is
// safe for concurrent use.
type Streams struct {
	mu  sync.Mutex
	all int
	of  map[netip.Prefix]int // by client
}

// Open makes room for a stream until closeStream is called, or returns the problem to answer with.
func (s *Streams) Open(r *http.Request) (closeStream func(), full *Problem) {
	client := clientOf(r.RemoteAddr)
	s.mu.Lock()
	defer s.mu.Unlock()
	refuse := func(format string, most int) *Problem {
		return &Problem{
			Status: http.StatusServiceUnavailable, Code: "overloaded", Retryable: true, RetryAfter: StreamHeartbeat,
			Detail: fmt.Sprintf(format, most),
		}
	}
	switch {
	case s.of[client] == maxClientStreams:
		return nil, refuse("this client has as many streams as it may: %d", maxClientStreams)
	case s.all == maxStreams:
		return nil, refuse("the server has as many streams as it may: %d", maxStreams)
	case s.of == nil:
		s.of = map[netip.Prefix]int{}
	}
	s.all++
	s.of[client]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.all--
		if s.of[client]--; s.of[client] == 0 {
			delete(s.of, client)
		}
	}, nil
}
