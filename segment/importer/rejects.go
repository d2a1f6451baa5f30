package importer

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/schemas"
)

// reject is an event that was not sent, as the file of rejects has it.
type reject struct {
	reasons []schemas.Violation
	line    []byte // with its line break
}

// newReject writes what became of an event. Object is the message. Text stands in its place for
// what is no JSON object, and beside it for a row that it may not say right.
//
// Such a line can itself be imported: the message is taken out of it. Origin is where the line
// stood at first, from which its messageId is derived. Without it a mended file would give the
// message another id each time that it is edited, and Segment would count it each time.
func newReject(file string, at position, from origin, reasons []schemas.Violation, object, text []byte) *reject {
	list, _ := json.Marshal(reasons) // strings always can be
	dst := make([]byte, 0, len(object)+len(text)+len(list)+200)
	dst = rawjson.AppendText(append(dst, `{"file":`...), file)
	dst = fmt.Appendf(dst, `,"line":%d`, at.Line)
	if at.Layout != lines { // a line may have many events
		dst = fmt.Appendf(dst, `,"offset":%d`, at.Offset)
	}
	dst = fmt.Appendf(dst, `,"reasons":%s`, list)
	dst = rawjson.AppendText(append(dst, `,"origin":`...), from.String())
	if object != nil {
		dst = append(append(dst, `,"message":`...), object...)
	}
	if object == nil || text != nil {
		dst = rawjson.AppendText(append(dst, `,"text":`...), string(text))
	}
	return &reject{reasons, append(dst, '}', '\n')}
}

// rejects is the file of what was not sent.
type rejects struct {
	path    string
	file    *os.File
	special bool  // no regular file, such as /dev/null, which can be neither cut nor removed
	size    int64 // of what is written
	count   int64 // of those that all runs have written
	failed  error // of writing: nothing more is written, or the lines between would be lost
}

// openRejects makes the file, or goes on behind size bytes of it, where an earlier run stopped.
// What that run wrote beyond is cut off. Without a path nothing is kept.
func openRejects(path string, size int64) (*rejects, error) {
	r := &rejects{path: cmp.Or(path, os.DevNull), size: size}
	info, err := os.Stat(r.path)
	r.special = err == nil && !info.Mode().IsRegular()
	if !r.special && sizeOf(path) < size {
		return nil, fmt.Errorf("cannot write the rejects: the file with those of the earlier run is gone, or shorter than"+
			" when that stopped; new ones need another file with --rejects: %q", path)
	}
	r.file, err = os.OpenFile(r.path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return nil, r.unwritable(err)
	}
	if err := r.cut(); err != nil {
		return nil, errors.Join(r.unwritable(err), r.close())
	}
	return r, nil
}

// cut takes off what follows what is written for sure.
func (r *rejects) cut() error {
	if r.special {
		return nil
	}
	return r.file.Truncate(r.size)
}

// unwritable says that the rejects cannot be written.
func (r *rejects) unwritable(err error) error { return unwritable("the rejects", "--rejects", err) }

// unwritable says why a file cannot be written, if it cannot, and what to do about it.
func unwritable(what, flag string, err error) error {
	advice := ""
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist):
		advice = "create the folder, or "
	case errors.Is(err, fs.ErrPermission):
		advice = "permit it, or "
	case errors.Is(err, syscall.ENOSPC):
		advice = "make room, or "
	}
	return fmt.Errorf("cannot write %s: %w; %sname another file with %s", what, err, advice, flag)
}

// write appends the lines of rejects, all of them or none: where the file does not take them, what
// it took is cut off again, and where it cannot even be cut, the next run does so.
func (r *rejects) write(lines []byte, count int64) error {
	if count == 0 || r.failed != nil {
		return r.failed
	}
	if _, err := r.file.Write(lines); err != nil {
		_ = r.cut()
		r.failed = r.unwritable(err)
		return r.failed
	}
	if !r.special {
		r.size += int64(len(lines))
	}
	r.count += count
	return nil
}

// close closes the file, and removes it where nothing is in it.
func (r *rejects) close() error {
	err := r.file.Close()
	if r.size == 0 && !r.special {
		err = errors.Join(err, os.Remove(r.path))
	}
	return r.unwritable(err)
}
