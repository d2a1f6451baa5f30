package delivery

// Waiting counts the calls that have not left.
func (c *Coalescer) Waiting() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, q := range c.queues {
		n += len(q.waiting)
	}
	return n
}
