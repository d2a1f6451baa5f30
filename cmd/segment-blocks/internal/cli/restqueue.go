package cli

import (
	"errors"
	"iter"

	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/segment/delivery"
	"github.com/aacflow/segment-blocks/serve/rest"
)

// restQueues are the stores as REST shows them, by the names of their sources.
func (d *deliveries) restQueues() map[string]rest.Queue {
	queues := map[string]rest.Queue{}
	for name, path := range d.paths {
		queues[name] = restQueue(d.stores[path], name)
	}
	return queues
}

func restQueue(store *delivery.Store, source string) rest.Queue {
	change := func(do func(string, ...uint64) (int, error)) func(...uint64) (int, error) {
		return func(ids ...uint64) (int, error) {
			n, err := do(source, ids...)
			if errors.Is(err, delivery.ErrIDs) {
				err = &runtime.Error{Code: runtime.InvalidInput, Message: err.Error(), Err: err}
			}
			return n, err
		}
	}
	return rest.Queue{
		State: func() (state rest.QueueState) {
			for _, s := range store.Stats() {
				if s.Source == source {
					state = rest.QueueState{
						Waiting: s.Waiting, InFlight: s.InFlight, Dead: s.Dead, Oldest: s.Oldest, LastError: s.LastError,
						WaitsUntil: s.WaitsUntil, Delivered: s.Delivered, Retried: s.Retried,
					}
				}
			}
			return state
		},
		Dead: func() iter.Seq2[rest.DeadLetter, error] {
			return func(yield func(rest.DeadLetter, error) bool) {
				for m, err := range store.Dead(source) {
					letter := rest.DeadLetter{
						ID: m.ID, MessageID: m.MessageID, StoredAt: m.StoredAt, DiedAt: m.DiedAt, Reason: m.Reason, Damaged: m.Damaged,
					}
					if !yield(letter, err) {
						return
					}
				}
			}
		},
		Retry: change(store.Retry),
		Drop:  change(store.Drop),
	}
}
