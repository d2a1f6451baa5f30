package importer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/gofrs/flock"

	"github.com/aacflow/segment-blocks/internal/paths"
)

// lock keeps another process from importing the same, or into the same file of rejects, at the same
// time: both would write the state and the rejects. It leaves no files behind.
func (im *Import) lock() (release func(), err error) {
	var held []*flock.Flock
	release = func() {
		for _, file := range held {
			_ = os.Remove(file.Path()) // before others can lock it; see tryLock
			_ = file.Unlock()
		}
	}
	for _, l := range []struct{ path, what, flag, taken string }{
		{im.options.StatePath, "the state of the import", "--state", "another process is importing this"},
		{im.options.RejectsPath, "the rejects", "--rejects", "another process is writing its rejects to the same file"},
	} {
		if info, err := os.Stat(l.path); l.path == "" || err == nil && !info.Mode().IsRegular() {
			continue // a device takes what anybody writes
		}
		file := flock.New(paths.Resolve(l.path) + ".lock")
		ok, err := tryLock(file)
		if err == nil && !ok {
			err = fmt.Errorf("%s: it holds %q", l.taken, l.path+".lock")
		} else if err != nil {
			err = &InputError{unwritable(l.what, l.flag, &fs.PathError{Op: "open", Path: l.path, Err: reason(err)})}
		}
		if err != nil {
			release()
			return nil, err
		}
		held = append(held, file)
	}
	return release, nil
}

// tryLock locks a file that its holder removes. Between opening and locking it, the holder may have
// removed it, and the lock on a file without a name keeps nobody away.
func tryLock(file *flock.Flock) (bool, error) {
	for {
		if ok, err := file.TryLock(); !ok || err != nil {
			return false, err
		}
		locked, err := file.Stat()
		if named, missing := os.Stat(file.Path()); err == nil && missing == nil && os.SameFile(locked, named) {
			return true, nil
		}
		if err := errors.Join(err, file.Unlock()); err != nil {
			return false, err
		}
	}
}
