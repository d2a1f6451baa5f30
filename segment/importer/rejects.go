package importer

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/aacflow/segment-blocks/rawjson"
)

// reject is a line that was not sent, as the file of rejects has it.
type reject struct {
	seq  int64
	json []byte // with its line break
}

// newReject writes what became of a line. The message is a JSON object; text stands in its place for what is none.
//
// Such a line can itself be imported: the message is taken out of it. Origin is where the line stood at first, from which its messageId
// is derived.
func newReject(seq int64, file string, line int64, origin string, reasons []Reason, message, text []byte) reject {
	list, _ := json.Marshal(reasons) // strings always can be
	dst := make([]byte, 0, len(message)+len(text)+len(list)+200)
	dst = rawjson.AppendText(append(dst, `{"file":`...), file)
	dst = fmt.Appendf(dst, `,"line":%d,"reasons":`, line)
	dst = append(dst, list...)
	dst = rawjson.AppendText(append(dst, `,"origin":`...), origin)
	if message != nil {
		dst = append(append(dst, `,"message":`...), message...)
	} else {
		dst = rawjson.AppendText(append(dst, `,"text":`...), string(text))
	}
	return reject{seq, append(dst, '}', '\n')}
}

// rejects is the file of what was not sent. Its path may be "", for none.
type rejects struct {
	path    string
	file    *os.File
	special bool  // no regular file, such as /dev/null, which can neither be cut nor go
	size    int64 // of what is written
	count   int64 // of those that are in the file
	dirty   bool
	failed  error // of writing: nothing more is written, or the lines between would be lost
}

// RejectsError tells that the file of rejects could not be written.
type RejectsError struct{ Err error }

func (e *RejectsError) Error() string { return "cannot write the rejects: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *RejectsError) Unwrap() error { return e.Err }

// openRejects makes the file, or goes on behind size bytes of it, where an earlier run stopped; what that run wrote beyond is cut off.
func openRejects(path string, size int64) (*rejects, error) {
	r := &rejects{path: path}
	if path == "" {
		return r, nil
	}
	flags := os.O_RDWR
	if size == 0 {
		flags |= os.O_CREATE
	}
	f, err := os.OpenFile(path, flags, 0o600)
	if err != nil {
		return nil, &RejectsError{err}
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		r.file, r.size, r.special = f, size, true
		return r, nil
	}
	if err == nil && info.Size() < size {
		err = fmt.Errorf("the file is shorter than when the import stopped; with another one behind --rejects, --resume goes on there: %q", path)
	}
	if err == nil {
		err = f.Truncate(size)
	}
	if err == nil {
		_, err = f.Seek(size, 0)
	}
	if err != nil {
		return nil, &RejectsError{errors.Join(err, f.Close())}
	}
	r.file, r.size = f, size
	return r, nil
}

// write appends rejects in the order of their lines. What cannot be written whole is cut off again.
func (r *rejects) write(list []reject) error {
	if len(list) == 0 || r.failed != nil {
		return r.failed
	}
	slices.SortFunc(list, func(a, b reject) int { return cmp.Compare(a.seq, b.seq) })
	if r.path == "" {
		r.count += int64(len(list))
		return nil
	}
	var buf bytes.Buffer
	for _, one := range list {
		buf.Write(one.json)
	}
	n, err := r.file.Write(buf.Bytes())
	written := buf.Bytes()[:n]
	r.dirty = true
	if err != nil {
		r.failed = &RejectsError{err}
		written = written[:bytes.LastIndexByte(written, '\n')+1]
		if !r.special && r.file.Truncate(r.size+int64(len(written))) != nil {
			written = written[:0] // what is there cannot be told; going on cuts it
		}
	}
	r.size += int64(len(written))
	r.count += int64(bytes.Count(written, []byte("\n")))
	return r.failed
}

// sync returns when all that was written is on disk.
func (r *rejects) sync() error {
	if !r.dirty || r.failed != nil {
		return r.failed
	}
	r.dirty = false
	if err := r.file.Sync(); err != nil && !r.special {
		r.failed = &RejectsError{err}
	}
	return r.failed
}

// close closes the file, and takes it away where nothing is in it.
func (r *rejects) close() error {
	if r.file == nil {
		return nil
	}
	err := r.file.Close()
	if r.size == 0 && !r.special {
		err = errors.Join(err, os.Remove(r.path))
	}
	if err != nil {
		return &RejectsError{err}
	}
	return nil
}
