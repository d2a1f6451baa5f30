package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/aacflow/segment-blocks/segment/tracking"
)

// appending is the least that keeping an event on disk takes: its bytes are appended to a file and
// synced.
func appending(name string, slice time.Duration) contender {
	return contender{name: name, open: func(context.Context, *bench) (runner, error) {
		messages, err := eventsOf(storing)
		if err != nil {
			return runner{}, err
		}
		batch, err := tracking.NewClient(nil).Prepare(context.Background(), sourceOf(nobody),
			tracking.Call{Messages: messages})
		if err != nil {
			return runner{}, err
		}
		return runner{run: func(ctx context.Context) (s sample, err error) {
			err = inFolder(func(folder string) error {
				path := filepath.Join(folder, "log")
				l, err := newLogFile(path)
				if err != nil {
					return err
				}
				s, err = callsOf(ctx, storing, slice, func(_ context.Context,
					caller int,
				) error {
					return l.append(batch.Messages[caller].JSON())
				})
				if err := errors.Join(err, l.close()); err != nil {
					return err
				}
				s.kept, s.sent = s.sent, 0
				file, err := os.Open(path)
				if err != nil {
					return err
				}
				s.waiting, _, err = countEvents(file, make([]byte, 256<<10))
				return errors.Join(err, file.Close())
			})
			return s, err
		}}, nil
	}}
}

// logFile is a file to which many append lines, of which those that come while it is being synced
// go into the next sync together.
type logFile struct {
	file *os.File

	mu      sync.Mutex
	wake    *sync.Cond
	next    *logGroup
	closed  bool
	stopped chan struct{}
}

type logGroup struct {
	data  []byte
	lines int
	done  chan struct{}
	err   error
}

func newLogFile(path string) (*logFile, error) {
	file, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	l := &logFile{file: file, next: &logGroup{done: make(chan struct{})}, stopped: make(chan struct{})}
	l.wake = sync.NewCond(&l.mu)
	go l.write()
	return l, nil
}

func (l *logFile) append(line []byte) error {
	l.mu.Lock()
	group := l.next
	group.data = append(append(group.data, line...), '\n')
	if group.lines++; group.lines == 1 {
		l.wake.Signal()
	}
	l.mu.Unlock()
	<-group.done
	return group.err
}

func (l *logFile) write() {
	defer close(l.stopped)
	var room []byte
	for {
		l.mu.Lock()
		for l.next.lines == 0 && !l.closed {
			l.wake.Wait()
		}
		group := l.next
		l.next = &logGroup{data: room[:0], done: make(chan struct{})}
		l.mu.Unlock()
		if group.lines == 0 {
			return
		}
		if _, group.err = l.file.Write(group.data); group.err == nil {
			group.err = l.file.Sync()
		}
		room = group.data
		close(group.done)
	}
}

func (l *logFile) close() error {
	l.mu.Lock()
	l.closed = true
	l.wake.Signal()
	l.mu.Unlock()
	<-l.stopped
	return l.file.Close()
}
