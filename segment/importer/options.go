package importer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/aacflow/segment-blocks/internal/paths"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/schemas"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

// Stdin is the name that stands for Options.Stdin in [Options].Files.
const Stdin = "-"

// Options say what to import and how. Files, Invoke and Key are required.
type Options struct {
	// Files are read one after the other. A name that ends in .ndjson, .jsonl or .json is JSON, and
	// one that ends in .csv is CSV. A .gz may follow. Data that begins like gzip is unpacked,
	// whatever its name.
	Files []string
	// Part, if not nil, limits the import to a part of its only file: see [Split].
	Part *Part
	// Stdin is read if Files is [Stdin] alone. It is JSON unless Format says otherwise.
	Stdin io.Reader
	// Format is the format of all files, whatever their names.
	Format Format
	// Encoding is the text encoding of all files. Default: UTF-8.
	Encoding Encoding
	// TimeFormat is the format of timestamps, and of columns that Map turns into times. Default:
	// ISO 8601.
	TimeFormat TimeFormat
	// TimeZone is the zone of times without one, such as Europe/Berlin. Default: UTC.
	TimeZone string
	// Type is the type of messages without one. A CSV file that has no column for the type needs
	// it.
	Type tracking.Type
	// Map sends columns of CSV files to other fields than their names say: COLUMN=FIELD, such as
	// user=userId, COLUMN=FIELD:KIND, such as total=properties.total:number, or COLUMN= to omit the
	// column. Kinds are text, number, boolean, time and json.
	Map []string
	// Delimiter separates the fields of a CSV row. Default: a comma.
	Delimiter byte

	// Invoke invokes segment_batch and returns the receipt. After a failure it returns the receipt,
	// if there is one, and a *[runtime.Error]. Run calls it from several goroutines at once.
	Invoke func(ctx context.Context, batch runtime.JSON) (*runtime.Receipt, error)
	// Key is the write key. Message ids are derived from it, and no file holds it.
	Key tracking.WriteKey
	// Source and Endpoint name the receiver. Only with the same ones can an import be resumed.
	Source, Endpoint string
	// InvocationID replaces the contents of the files as the origin of message ids. Standard input
	// needs one if the same input may come again, because its contents cannot be looked at first.
	InvocationID string
	// Concurrency is how many invocations may be in flight at once. Default: 4.
	Concurrency int
	// Rate limits the events that are sent a second, in bursts of a quarter of that. 0 is no limit.
	Rate float64
	// Grace is how long invocations in flight may continue when the context of Run has ended.
	// Default: 10 s.
	Grace time.Duration

	// StatePath is the file that records how far the import is. Two imports must not share it.
	// Without it the import cannot be resumed.
	StatePath string
	// Resume continues the unfinished import of an earlier run with the same StatePath. If there is
	// none, it starts at the beginning. Restart always starts at the beginning, and overwrites the
	// rejects of the earlier run. With neither, an unfinished import is an error.
	Resume, Restart bool
	// RejectsPath is the file that receives the events that cannot be sent, one a line, with all
	// reasons. Such a file can be corrected and imported. Without it, rejects are only counted.
	RejectsPath string

	// Note, if not nil, is called with sentences about what Run finds before it sends anything,
	// such as where it resumes.
	Note func(sentence string)
	// Mapped, if not nil, is called for each CSV file with what becomes of its columns.
	Mapped func(file string, columns []Column)
	// Warned, if not nil, is called with the first warning of each kind. Line is 0 if the warning
	// is not about one event. Calls come from several goroutines, one at a time.
	Warned func(file string, line int64, w schemas.Violation)
	// Rejected, if not nil, is called for each reject, in the order of the lines, once everything
	// before it is accepted or rejected. Calls come from several goroutines, one at a time.
	Rejected func(file string, line int64, reasons []schemas.Violation)
	// Progress, if not nil, is called when everything is checked and nothing is sent yet, then
	// about every quarter of a second, and at the end.
	Progress func(Progress)
}

// checkPaths refuses to overwrite one file with another. It compares what the paths lead to, since
// links and relative paths give one file many names.
func (o *Options) checkPaths() error {
	stdin := slices.Contains(o.Files, Stdin)
	switch {
	case stdin && len(o.Files) > 1:
		return errors.New("stdin is imported alone, not together with files")
	case stdin && (o.StatePath != "" || o.Resume || o.Restart):
		return errors.New("an import of stdin cannot be resumed, because stdin is read only once; import a file," +
			" or give an --invocation-id to repeat it safely")
	case stdin:
		return nil
	}
	written := []string{o.RejectsPath}
	if o.StatePath != "" {
		written = append(written, o.StatePath, o.StatePath+".tmp", o.StatePath+".lock")
	}
	for i, path := range written {
		if slices.ContainsFunc(o.Files, func(file string) bool { return paths.Same(path, file) }) {
			return fmt.Errorf("the state and the rejects cannot be in the file of events; "+
				"name another file with --state or --rejects: %q", path)
		}
		if i > 0 && paths.Same(path, o.RejectsPath) {
			return fmt.Errorf("the state and the rejects cannot be in one file; "+
				"name another file with --state or --rejects: %q", path)
		}
	}
	return nil
}

// Counts say what an import has done in all its runs.
type Counts struct {
	// Events counts the events that were read: JSON values, or lines or rows that are not empty.
	Events int64 `json:"events"`
	// Accepted events have been confirmed by the receiver. Rejected ones were not sent, or the
	// receiver refused them.
	Accepted int64 `json:"accepted"`
	Rejected int64 `json:"rejected"`
	// Repeated counts the events that had been accepted and were sent again after a stop. The
	// events that were sent in the last moment before a kill are missing.
	Repeated int64 `json:"repeated"`
	// Duplicates counts the accepted events that have the messageId of an earlier one. A run
	// remembers the latest 100,000 ids, so there may be more.
	Duplicates int64 `json:"duplicates,omitempty"`
	// Requests, Attempts and Bytes are sums over the receipts.
	Requests int64   `json:"requests"`
	Attempts int64   `json:"attempts"`
	Bytes    int64   `json:"bytes"`
	Seconds  float64 `json:"seconds"`
}

// Progress says how far an import is.
type Progress struct {
	Counts
	// Read is how many bytes of the files have been read, and Size how many there are, -1 for
	// standard input.
	Read, Size int64
}

// Column says what becomes of a column of a CSV file.
type Column struct {
	Name string `json:"column"`
	// Field is a field such as userId or properties.price, "" for a column that is omitted.
	Field string `json:"field"`
	// Kind is text, number, boolean, time or json.
	Kind string `json:"kind,omitempty"`
}

// Format is the format of a file of events.
type Format string

// The formats.
const (
	JSON Format = "json" // objects, one a line or each over several lines, or lists of objects
	CSV  Format = "csv"  // a header that names the columns, then one event a row
)

// Encoding is the text encoding of a file.
type Encoding string

// The encodings.
const (
	UTF8        Encoding = "utf-8"
	UTF16       Encoding = "utf-16" // in either order of bytes, with or without a byte order mark
	Latin1      Encoding = "latin1" // ISO 8859-1
	Windows1252 Encoding = "windows-1252"
)

// Part is a part of a file that is imported by itself.
type Part struct {
	// The part has the bytes From to To of the file, without To.
	From int64 `json:"from"`
	To   int64 `json:"to"`
	// Offset is From without the byte order mark. The messageIds depend on it.
	Offset int64 `json:"offset"`
	// Line is the number of its first line.
	Line int64 `json:"line"`
}
