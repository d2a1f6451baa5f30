package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/settings"
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
	var list []queueState
	switch {
	case errors.Is(err, delivery.ErrInUse):
		e.ok(line, "of %q is in use by a running segment-blocks: %s", name, path)
		return
	case err == nil:
		list, err = q.states(s), q.close()
	}
	if err == nil && !q.exists && !q.empty {
		err = canMake(path)
	}
	if err != nil {
		e.fail(line, console.ExitFailure, "of %q: %s", name, console.Sentence(err))
		return
	}
	for _, one := range list {
		say := e.ok
		if one.empty || one.Dead > 0 || !one.Configured {
			say = e.warn
		}
		say(line, "of %q: %s", one.Source, strings.Join(one.row()[1:], ", "))
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
		return fmt.Errorf("it is not there and cannot be made: %w", err)
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}
