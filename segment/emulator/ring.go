package emulator

import "iter"

// A ring keeps the newest items, bounded by count and by bytes, and counts the
// ones it forgot. It is not safe for concurrent use.
type ring[T any] struct {
	items     []T // items[head:] are kept
	head      int
	max       int
	bytes     int
	maxBytes  int // 0 is no bound
	size      func(*T) int
	forgotten uint64
}

func (r *ring[T]) add(item T) {
	r.items = append(r.items, item)
	r.bytes += r.size(&item)
	for r.len() > r.max || r.maxBytes > 0 && r.bytes > r.maxBytes && r.len() > 1 {
		var none T
		r.bytes -= r.size(&r.items[r.head])
		r.items[r.head] = none // let the item's bytes go
		r.head++
		r.forgotten++
	}
	// Moving the kept items down once half the slice is dead costs each item one
	// move on average.
	if r.head > len(r.items)/2 {
		n := copy(r.items, r.items[r.head:])
		clear(r.items[n:])
		r.items, r.head = r.items[:n], 0
	}
}

func (r *ring[T]) len() int { return len(r.items) - r.head }

// kept are the items, oldest first. The slice is good until the next add.
func (r *ring[T]) kept() []T { return r.items[r.head:] }

// each yields the items, oldest first, or newest first.
func (r *ring[T]) each(newest bool) iter.Seq[*T] {
	return func(yield func(*T) bool) {
		kept := r.kept()
		for i := range kept {
			if newest {
				i = len(kept) - 1 - i
			}
			if !yield(&kept[i]) {
				return
			}
		}
	}
}

func (r *ring[T]) clear() {
	clear(r.items)
	r.items, r.head, r.bytes, r.forgotten = r.items[:0], 0, 0, 0
}
