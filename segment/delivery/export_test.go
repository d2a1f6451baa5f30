package delivery

import "github.com/aacflow/segment-blocks/segment/tracking"

// Gathering counts the calls of a coalesced source that have not left.
func Gathering(sender tracking.Sender) (n int) {
	c := sender.(*coalescer)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, q := range c.queues {
		n += len(q.waiting)
	}
	return n
}
