package cli

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/settings"
	"github.com/aacflow/segment-blocks/internal/text"
	"github.com/aacflow/segment-blocks/segment/delivery"
)

// stores checks the store of each durable source.
func (e *examination) stores(ctx context.Context, s *settings.Settings) {
	own, err := ownStores(s)
	if err != nil {
		e.fail("store", console.ExitUsage, "%s", err)
	}
	for _, store := range own {
		e.store(ctx, s, store.source, store.path)
	}
}

// store checks one store, without making it: doctor leaves nothing behind. Each source in the file
// gets a line.
func (e *examination) store(ctx context.Context, s *settings.Settings, name, path string) {
	const line = "store"
	q, err := openPath(ctx, name, path)
	switch {
	case errors.Is(err, delivery.ErrInUse):
		e.ok(line, "of %q is in use by a running segment-blocks: %s", name, path)
		return
	case err != nil:
		e.fail(line, console.ExitFailure, "of %q: %s", name, console.Sentence(err))
		return
	case q.empty:
		e.warn(line, "of %q is an empty file, which begins as a new store; if it has held messages, they are lost: %s",
			name, path)
		return
	case !q.exists:
		if err := canMake(path); err != nil {
			e.fail(line, console.ExitFailure, "of %q is not there and cannot be made: %s", name, err)
			return
		}
		e.ok(line, "of %q is not there yet, the first message makes it: %s", name, path)
		return
	}
	list := q.states(s)
	if err := q.close(); err != nil {
		e.fail(line, console.ExitFailure, "of %q: %s", name, console.Sentence(err))
		return
	}
	for _, one := range list {
		say, more := e.ok, ""
		switch {
		case !one.Configured:
			say, more = e.warn, "; no durable source of this name is configured with it, so nothing sends them"
		case one.Dead > 0:
			say, more = e.warn, "; segment-blocks queue list says why they died"
		}
		say(line, "of %q: %s waiting, %s dead, in %s%s",
			one.Source, text.Grouped(int64(one.Waiting)), text.Grouped(int64(one.Dead)), path, more)
	}
}

// canMake tries whether a file can be made, in the nearest folder that is there: those below it
// are made with the store.
func canMake(path string) error {
	dir := filepath.Dir(path)
	for {
		_, err := os.Stat(dir)
		if err == nil || dir == filepath.Dir(dir) {
			break
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		dir = filepath.Dir(dir)
	}
	f, err := os.CreateTemp(dir, ".segment-blocks-*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}
