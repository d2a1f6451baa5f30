package guard

import (
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
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
	switch {
	case s.of[client] == maxClientStreams:
		return nil, overloaded("this client has as many streams as it may: %d", maxClientStreams)
	case s.all == maxStreams:
		return nil, overloaded("the server has as many streams as it may: %d", maxStreams)
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

// Len returns how many streams are open.
func (s *Streams) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all
}

// Stream answers with server-sent events until the client has left, stopped is closed, or next
// returns that it was the last. Next appends the events that there are to chunk. It returns a
// channel that is closed when there are more, or nil if it is to be called again at once.
//
// It reads at the pace of its client: what next reads from must not wait for it. A client that
// takes nothing for ten seconds is cut off; behind a [Guard] it may take [Config.WriteTimeout].
func Stream(w http.ResponseWriter, r *http.Request, stopped <-chan struct{},
	next func(chunk []byte) (_ []byte, more <-chan struct{}, last bool),
) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	if r.Method != http.MethodGet {
		return
	}
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Time{}) // a request of a server with a ReadTimeout would end at it
	alive := time.NewTicker(StreamHeartbeat)
	defer alive.Stop()
	chunk := []byte(": connected\n\n")
	for {
		var more <-chan struct{}
		var last bool
		chunk, more, last = next(chunk)
		_ = control.SetWriteDeadline(time.Now().Add(10 * time.Second))
		// What is there is sent before it waits, so that even the first answer has a body.
		if _, err := w.Write(chunk); err != nil || control.Flush() != nil || last {
			return
		}
		if chunk = chunk[:0]; more == nil {
			continue
		}
		select {
		case <-more:
		case <-alive.C:
			chunk = []byte(": alive\n\n")
		case <-r.Context().Done():
			return
		case <-stopped:
			return
		}
	}
}

// StreamAfter returns the number of the last event that a client has: the header Last-Event-ID, or
// else the parameter, such as after, or else standard.
func StreamAfter(r *http.Request, parameter string, standard uint64) (uint64, *Problem) {
	// A browser that connects again sends the header. It knows more than the address does.
	if last, err := strconv.ParseUint(r.Header.Get("Last-Event-ID"), 10, 63); err == nil {
		return last, nil
	}
	after := r.URL.Query().Get(parameter)
	if after == "" {
		return standard, nil
	}
	seq, err := strconv.ParseUint(after, 10, 63)
	if err != nil {
		return 0, &Problem{
			Status: http.StatusBadRequest, Code: "invalid_request",
			Detail: fmt.Sprintf("%s must be a whole number: %.50q", parameter, after),
		}
	}
	return seq, nil
}

// AppendGap appends the event that says how many events a client has missed, if any.
func AppendGap(chunk []byte, missed uint64) []byte {
	if missed == 0 {
		return chunk
	}
	return fmt.Appendf(chunk, "event: gap\ndata: {\"missed\":%d}\n\n", missed)
}
