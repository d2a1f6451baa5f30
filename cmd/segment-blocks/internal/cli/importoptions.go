package cli

import (
	"os"
	"path/filepath"
	"strconv"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/segment/importer"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

// importOptions reads the flags and looks at the files.
func (p *Program) importOptions(f importFlags, args []string) (importer.Options, error) {
	o := importer.Options{
		Type: tracking.Type(f.typ), Concurrency: f.concurrency, Rate: f.rate, InvocationID: f.invocationID,
		StatePath: f.state, RejectsPath: f.rejects,
	}
	format := importer.Format(f.format)
	switch {
	case f.typ != "" && !o.Type.Valid():
		return o, console.Usage("--type must be track, identify, page, screen, group or alias: %q", f.typ)
	case format != "" && format != importer.NDJSON && format != importer.CSV:
		return o, console.Usage("--format must be ndjson or csv: %q", f.format)
	case f.concurrency < 1 || f.concurrency > 256:
		return o, console.Usage("--concurrency must be from 1 to 256: %d", f.concurrency)
	case f.rate < 0 || f.rate > 0 && f.rate < 1e-3:
		return o, console.Usage("--rate must be 0, or events a second: %s", strconv.FormatFloat(f.rate, 'g', -1, 64))
	case f.resume && f.restart:
		return o, console.Usage("--resume goes on and --restart begins again: choose one")
	case f.dryRun && (f.resume || f.restart):
		return o, console.Usage("--dry-run checks all lines, and has nothing to resume or restart")
	}
	if err := knownProgress(f.progress); err != nil {
		return o, err
	}
	var err error
	if o.Delimiter, err = delimiter(f.delimiter); err != nil {
		return o, err
	}
	for _, text := range f.maps {
		rule, err := importer.ParseRule(text)
		if err != nil {
			return o, console.Usage("%w", err)
		}
		o.Rules = append(o.Rules, rule)
	}
	if len(args) == 0 {
		args = []string{importer.Stdin}
	}
	csv := false
	for _, path := range args {
		in, err := importer.OpenInput(path, format, p.Stdin)
		if err != nil {
			return o, console.Usage("%w", err)
		}
		csv = csv || in.Format == importer.CSV
		o.Inputs = append(o.Inputs, in)
	}
	if len(f.maps) > 0 && !csv {
		return o, console.Usage("--map is for columns of CSV, and no file is CSV: %q", f.maps[0])
	}
	return o, nameFiles(&o, f)
}

func delimiter(text string) (byte, error) {
	if text == "tab" || text == `\t` {
		return '\t', nil
	}
	if len(text) != 1 || text[0] < ' ' && text[0] != '\t' || text[0] > '~' || text == `"` {
		return 0, console.Usage("--delimiter must be one ASCII character that is no quote, or tab: %q", text)
	}
	return text[0], nil
}

// nameFiles chooses where the state and the rejects go.
func nameFiles(o *importer.Options, f importFlags) error {
	first := o.Inputs[0].Path
	for _, in := range o.Inputs {
		if in.Path != importer.Stdin {
			continue
		}
		switch {
		case len(o.Inputs) > 1:
			return console.Usage("stdin is read by itself, not together with files")
		case f.resume || f.restart || f.state != "":
			return console.Usage("an import of stdin cannot be resumed, since stdin is read only once; import a file, or give an --invocation-id to repeat it safely")
		}
		first = "stdin"
	}
	if o.RejectsPath == "" && !f.dryRun {
		o.RejectsPath = first + ".rejects.ndjson"
	}
	if o.StatePath == "" && first != "stdin" && !f.dryRun {
		o.StatePath = first + ".import.json"
	}
	var own []string // what the state needs
	if o.StatePath != "" {
		own = []string{o.StatePath, o.StatePath + ".tmp", o.StatePath + ".lock"}
	}
	for _, in := range o.Inputs {
		for _, path := range append([]string{o.RejectsPath}, own...) {
			if sameFile(in.Path, path) {
				return console.Usage("the file of events cannot take the state or the rejects too; name another with --state or --rejects: %q", in.Path)
			}
		}
	}
	for _, path := range own {
		if sameFile(path, o.RejectsPath) {
			return console.Usage("one file cannot take both the state and the rejects; name another with --state or --rejects: %q", o.RejectsPath)
		}
	}
	return nil
}

// sameFile tells whether two paths lead to the same file, which need not be there.
func sameFile(a, b string) bool {
	if a == "" || b == "" {
		return false
	}
	one, err := os.Stat(a)
	other, err2 := os.Stat(b)
	if err == nil && err2 == nil {
		return os.SameFile(one, other)
	}
	return resolved(a) == resolved(b)
}

// resolved returns the path behind all links, those included that lead to nothing yet.
func resolved(path string) string {
	const links = 40 // as many as systems follow
	for range links {
		if real, err := filepath.EvalSymlinks(path); err == nil {
			path = real
			break
		}
		target, err := os.Readlink(path)
		if err != nil {
			if dir, err := filepath.EvalSymlinks(filepath.Dir(path)); err == nil {
				path = filepath.Join(dir, filepath.Base(path))
			}
			break
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(path), target)
		}
		path = target
	}
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}
