package emulator

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/gofrs/flock"

	"github.com/aacflow/segment-blocks/internal/paths"
)

// ErrLogInUse is what New wraps when another emulator writes to the file of LogTo.
var ErrLogInUse = errors.New("another emulator writes to this log")

// A logFile is the file of LogTo. A nil one does nothing. It is not safe for
// concurrent use.
type logFile struct {
	f    *os.File
	lock *flock.Flock
	size int64 // where the last whole line ends
}

// openLog opens or creates the file and gives each event in it to load.
func openLog(path string, load func(Event)) (*logFile, error) {
	// The events are customers' data: for the owner's eyes.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("emulator: cannot open the log: %w", err)
	}
	// The lock is on a file beside the log, since Windows would keep the log itself
	// from its readers. The system gives the lock up when the process ends, in
	// whatever way; the file stays, as one that is removed can be held twice.
	l := &logFile{f: f, lock: flock.New(paths.Resolve(path)+".lock", flock.SetPermissions(0o600))}
	if err := l.open(path, load); err != nil {
		return nil, errors.Join(fmt.Errorf("emulator: %w", err), f.Close(), l.lock.Unlock())
	}
	return l, nil
}

func (l *logFile) open(path string, load func(Event)) error {
	if info, err := l.f.Stat(); err != nil || !info.Mode().IsRegular() {
		return errors.Join(fmt.Errorf("log must be a regular file: %q", path), err)
	}
	switch locked, err := l.lock.TryLock(); {
	case err != nil:
		return fmt.Errorf("cannot lock the log: %w", err)
	case !locked:
		return fmt.Errorf("%w: %s", ErrLogInUse, paths.Resolve(path))
	}
	r := bufio.NewReaderSize(l.f, maxLine)
	for number := 1; ; number++ {
		line, err := r.ReadSlice('\n')
		if errors.Is(err, io.EOF) {
			// Whatever follows the last line break was never answered 200: a line
			// and its break are written in one go.
			return l.cut(l.size)
		}
		if err != nil {
			return fmt.Errorf("cannot read line %d of %s: %w", number, path, err)
		}
		var ev Event
		err = json.Unmarshal(line, &ev)
		if err == nil && (ev.Seq == 0 || !isMessageType(ev.Type) || len(ev.Message) == 0) {
			err = errors.New("seq, type or message is missing")
		}
		if err != nil {
			return fmt.Errorf("line %d of %s is not an event: %w", number, path, err)
		}
		load(ev)
		l.size += int64(len(line))
	}
}

// writeLog appends the events to the log, if there is one: all of them or none.
func (e *Emulator) writeLog(events []*Event) error {
	if e.closed {
		return ErrClosed
	}
	if e.log == nil || len(events) == 0 {
		return nil
	}
	var lines []byte
	for _, ev := range events {
		lines = append(ev.appendJSON(lines), '\n')
	}
	if _, err := e.log.f.Write(lines); err != nil {
		return errors.Join(fmt.Errorf("cannot write the log: %w", err), e.log.cut(e.log.size))
	}
	e.log.size += int64(len(lines))
	return nil
}

// cut takes off what follows the first size bytes.
func (l *logFile) cut(size int64) error {
	if l == nil {
		return nil
	}
	_, err := l.f.Seek(size, io.SeekStart)
	if err = errors.Join(l.f.Truncate(size), err); err != nil {
		return fmt.Errorf("cannot cut the log: %w", err)
	}
	l.size = size
	return nil
}

func (l *logFile) close() error {
	if l == nil {
		return nil
	}
	return errors.Join(l.f.Sync(), l.f.Close(), l.lock.Unlock())
}
