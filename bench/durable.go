package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/segment/delivery"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

const (
	// nobody is an endpoint without a listener, so what is stored for it stays in the store.
	nobody = "http://127.0.0.1:9"
	// sourceName is the name of the sources that store events.
	sourceName = "bench"
)

// durable measures what it costs to have each event on the disk when its call returns. Each call
// has one event.
func durable(set settings) []group {
	g := group{name: "durable", rounds: 5}
	goals := map[int]goal{1: atMost(12_000), 16: atMost(3_000), 256: atMost(900)}
	for _, callers := range []int{1, 16, 64, 256} {
		c := storing(fmt.Sprintf("durable %d", callers), callers, set.scaled(400+100*callers))
		name := fmt.Sprintf("durable/%d", callers)
		g.contenders = append(g.contenders, c)
		note := fmt.Sprintf("bytes written to the disk per event, callers: %d", callers)
		g.lines = append(
			g.lines,
			written().of(name+"/written", goals[callers], note, c.name),
			p99().of(name+"/p99", goal{}, "latency until a call is acknowledged", c.name),
		)
	}
	c := storing("durable file", 256, set.scaled(100_000))
	g.contenders = append(g.contenders, c)
	size := metric{"×", func(s sample) float64 { return s.Ratio }}
	g.lines = append(
		g.lines,
		size.of("durable/file", atMost(1.3), "size of the file over the size of the messages in it", c.name),
		cpuMillion().of("durable/cpu", goal{}, "CPU time to store events, callers: 256", c.name),
	)
	return []group{g}
}

// storing returns a contender that stores events in a new file in each run. They stay there, and
// after each run they are counted.
func storing(name string, callers, n int) contender {
	return contender{name: name, open: func(ctx context.Context, _ place) (runner, error) {
		folder, err := os.MkdirTemp("", "segment-blocks-bench-")
		if err != nil {
			return runner{}, err
		}
		messages, err := messagesOf(callers)
		if err != nil {
			return runner{}, err
		}
		path := filepath.Join(folder, "bench.store")
		var store *delivery.Store
		var source tracking.Sender
		return runner{
			prepare: func() (err error) {
				if store, err = openStore(path, 0); err != nil {
					return err
				}
				if err := errors.Join(leave(ctx, store), pageByPage(path)); err != nil {
					return err
				}
				if store, err = openStore(path, 0); err == nil {
					source = store.Source(sourceName, sourceOf(nobody))
				}
				return err
			},
			run: func(ctx context.Context) (sample, error) {
				took, err := drive(callers, n, func(i int) error {
					at := i % len(messages)
					_, err := source.Send(ctx, nil, tracking.Call{Messages: messages[at : at+1]})
					return err
				})
				s := took.sample()
				s.Stored = n
				return s, err
			},
			check: func(s *sample) error {
				if err := leave(ctx, store); err != nil {
					return err
				}
				bytes, err := kept(ctx, path, s)
				if info, statErr := os.Stat(path); statErr == nil && bytes > 0 {
					s.Ratio = float64(info.Size()) / float64(bytes)
				}
				return errors.Join(err, os.Remove(path))
			},
			close: func() { _ = os.RemoveAll(folder) },
		}, nil
	}}
}

// pageByPage writes a new file again, one page at a time. bbolt writes the first four pages at
// once, and Linux keeps them in one piece. When one of the four changes, Linux writes only that
// page to the disk, but counts all four.
func pageByPage(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	file, err := os.OpenFile(path+".paged", os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	for page := range slices.Chunk(data, os.Getpagesize()) {
		_, failed := file.Write(page)
		err = errors.Join(err, failed)
	}
	return errors.Join(err, file.Close(), os.Rename(path+".paged", path))
}

// messagesOf returns n messages of about 500 bytes each.
func messagesOf(n int) ([]tracking.Message, error) {
	var messages []tracking.Message
	for _, e := range makeEvents(n, usual()) {
		fields, err := rawjson.ParseObject([]byte(e.message()), rawjson.Limits{})
		if err != nil {
			return nil, err
		}
		messages = append(messages, tracking.NewMessage("", fields))
	}
	return messages, nil
}

func openStore(path string, maxAge time.Duration) (*delivery.Store, error) {
	return delivery.Open(path, delivery.StoreOptions{MaxEvents: -1, MaxBytes: -1, Rate: -1, MaxAge: maxAge})
}

// leave closes a store without waiting for what it has not sent.
func leave(ctx context.Context, store *delivery.Store) error {
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	_, err := store.Close(ctx)
	return err
}

// kept counts the messages that the next process finds in a file. It returns the size of the
// messages.
func kept(ctx context.Context, path string, s *sample) (bytes int, err error) {
	_, err = delivery.Check(ctx, path, func(m delivery.StoredMessage) {
		s.Found++
		bytes += len(m.Message)
	})
	return bytes, err
}

// deadLetters measures a retry of dead letters, and the calls that store events at the same time.
func deadLetters(set settings) []group {
	n := set.scaled(200_000)
	c := contender{name: "retry dead letters", open: func(ctx context.Context, _ place) (runner, error) {
		folder, err := os.MkdirTemp("", "segment-blocks-bench-")
		if err != nil {
			return runner{}, err
		}
		path := filepath.Join(folder, "bench.store")
		messages, err := messagesOf(1000)
		if err != nil {
			return runner{}, err
		}
		var store *delivery.Store
		return runner{
			prepare: func() (err error) {
				if err := bury(ctx, path, messages, n); err != nil {
					return err
				}
				store, err = openStore(path, 0)
				return err
			},
			run: func(ctx context.Context) (s sample, err error) {
				return retryBeside(ctx, store, messages[:1], n)
			},
			check: func(s *sample) error {
				if err := leave(ctx, store); err != nil {
					return err
				}
				_, err := kept(ctx, path, s)
				return errors.Join(err, os.Remove(path))
			},
			close: func() { _ = os.RemoveAll(folder) },
		}, nil
	}}
	longest := metric{"ms", func(s sample) float64 { return s.Max / 1e3 }}
	return []group{{name: "dead-letters", rounds: 3, contenders: []contender{c}, lines: []line{
		longest.of("dead-letters/longest", goal{},
			"the longest call during a retry of 200,000 dead letters; the target is 50 ms", c.name),
		kilobytes().of("dead-letters/allocated", goal{}, "memory allocated to retry one dead letter", c.name),
		cpuMillion().of("dead-letters/cpu", goal{}, "CPU time to retry dead letters", c.name),
	}}}
}

// bury makes a store with n dead letters: messages that are too old to send.
func bury(ctx context.Context, path string, messages []tracking.Message, n int) error {
	store, err := openStore(path, time.Millisecond)
	if err != nil {
		return err
	}
	source := store.Source(sourceName, sourceOf(nobody))
	for left := n; left > 0; left -= len(messages) {
		call := tracking.Call{Messages: messages[:min(left, len(messages))]}
		if _, err := source.Send(ctx, nil, call); err != nil {
			return err
		}
	}
	for dead := 0; dead < n; time.Sleep(20 * time.Millisecond) {
		for _, stats := range store.Stats() {
			dead = stats.Dead
		}
	}
	return leave(ctx, store)
}

// retryBeside retries all dead letters of a store. Meanwhile, a caller makes one call after another
// to a different source of the store.
func retryBeside(ctx context.Context, store *delivery.Store, message []tracking.Message, n int) (sample, error) {
	source := store.Source("beside", sourceOf(nobody))
	done := make(chan error, 1)
	go func() {
		retried, err := store.Retry(sourceName)
		if err == nil && retried != n {
			err = fmt.Errorf("%d of %d dead letters were retried", retried, n)
		}
		done <- err
	}()
	s := sample{Units: n, Stored: n}
	for {
		select {
		case err := <-done:
			return s, err
		default:
		}
		begin := time.Now()
		if _, err := source.Send(ctx, nil, tracking.Call{Messages: message}); err != nil {
			return s, err
		}
		s.Stored++
		s.Max = max(s.Max, float64(time.Since(begin).Nanoseconds())/1000)
	}
}
