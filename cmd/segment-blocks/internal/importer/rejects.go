package importer

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
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

// rejects is the file of what was not sent. It is made when the first is written. Its path may be "", for none.
type rejects struct {
	path  string
	file  *os.File
	size  int64 // of what is written
	count int64
	dirty bool
}

// openRejects goes on behind size bytes of the file, where an earlier run stopped; what that run wrote beyond is cut off.
func openRejects(path string, size int64) (*rejects, error) {
	r := &rejects{path: path}
	if path == "" || size == 0 {
		if path == "" {
			return r, nil
		}
		err := os.Remove(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("cannot begin the file of rejects anew: %w", err)
		}
		return r, nil
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot go on with the file of rejects: %w", err)
	}
	info, err := f.Stat()
	if err == nil && info.Size() < size {
		err = fmt.Errorf("it is shorter than when the import stopped: %q", path)
	}
	if err == nil {
		err = f.Truncate(size)
	}
	if err == nil {
		_, err = f.Seek(size, 0)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("cannot go on with the file of rejects: %w", err), f.Close())
	}
	r.file, r.size = f, size
	return r, nil
}

// write appends rejects in the order of their lines.
func (r *rejects) write(list []reject) error {
	if len(list) == 0 {
		return nil
	}
	slices.SortFunc(list, func(a, b reject) int { return cmp.Compare(a.seq, b.seq) })
	r.count += int64(len(list))
	if r.path == "" {
		return nil
	}
	if r.file == nil {
		f, err := os.OpenFile(r.path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return fmt.Errorf("cannot write the rejects: %w", err)
		}
		r.file = f
	}
	var buf bytes.Buffer
	for _, one := range list {
		buf.Write(one.json)
	}
	n, err := r.file.Write(buf.Bytes())
	r.size += int64(n)
	r.dirty = true
	if err != nil {
		return fmt.Errorf("cannot write the rejects: %w", err)
	}
	return nil
}

// sync returns when all that was written is on disk.
func (r *rejects) sync() error {
	if !r.dirty {
		return nil
	}
	r.dirty = false
	if err := r.file.Sync(); err != nil {
		return fmt.Errorf("cannot write the rejects: %w", err)
	}
	return nil
}

func (r *rejects) close() error {
	if r.file == nil {
		return nil
	}
	return r.file.Close()
}
