package importer

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/schemas"
)

// reject is an event for the file of rejects.
type reject struct {
	reasons []schemas.Violation
	line    []byte // with its line break
}

// newReject writes a line for the file of rejects. Object is the message. Text takes its place if
// it is no JSON object, and stands beside it if it is a row that may have been misread.
//
// Such a line can itself be imported: see unwrap. Without the origin, the message would get another
// id each time that the file of rejects is edited, and Segment would count it each time.
func newReject(file string, at position, from origin, reasons []schemas.Violation, object, text []byte) *reject {
	list, _ := json.Marshal(reasons) // never fails for strings
	dst := fmt.Appendf(nil, `{"file":%s,"line":%d`, rawjson.Quote(file), at.Line)
	if at.Layout != lines { // a line may have many events
		dst = fmt.Appendf(dst, `,"offset":%d`, at.Offset)
	}
	dst = fmt.Appendf(dst, `,"reasons":%s,"origin":%s`, list, rawjson.Quote(from.String()))
	if object != nil {
		dst = fmt.Appendf(dst, `,"message":%s`, object)
	}
	if object == nil || text != nil {
		dst = fmt.Appendf(dst, `,"text":%s`, rawjson.Quote(string(text)))
	}
	return &reject{reasons, append(dst, "}\n"...)}
}

// rejects is the file of rejects.
type rejects struct {
	path    string
	file    *os.File
	special bool  // no regular file, such as /dev/null, which can be neither cut nor removed
	size    int64 // of the lines
	count   int64 // of the lines of all runs
	failed  error // of writing: nothing more is written, or the lines between would be lost
}

// openRejects makes the file, or continues one behind the size bytes of an earlier run, and cuts
// off what that run wrote beyond. Without a path, it keeps nothing.
func openRejects(path string, size int64) (*rejects, error) {
	r := &rejects{path: cmp.Or(path, os.DevNull), size: size}
	info, err := os.Stat(r.path)
	r.special = err == nil && !info.Mode().IsRegular()
	if !r.special && sizeOf(path) < size {
		return nil, fmt.Errorf("cannot write the rejects: the file with those of the earlier run is gone, or has"+
			" become shorter; name another file with --rejects: %q", path)
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

// cut takes off what follows the last whole line.
func (r *rejects) cut() error {
	if r.special {
		return nil
	}
	return r.file.Truncate(r.size)
}

func (r *rejects) unwritable(err error) error { return unwritable("the rejects", "--rejects", err) }

// write appends a whole line or nothing: what a full disk takes of it is cut off again, here or by
// the next run.
func (r *rejects) write(line []byte) error {
	if r.failed != nil {
		return r.failed
	}
	if _, err := r.file.Write(line); err != nil {
		_ = r.cut()
		r.failed = r.unwritable(err)
		return r.failed
	}
	if !r.special {
		r.size += int64(len(line))
	}
	r.count++
	return nil
}

// close closes the file, and removes it if it is empty.
func (r *rejects) close() error {
	err := r.file.Close()
	if r.size == 0 && !r.special {
		err = errors.Join(err, os.Remove(r.path))
	}
	return r.unwritable(err)
}
