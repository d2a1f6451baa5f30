package aacflow

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"

	"github.com/aacflow/segment-blocks/internal/text"
	"github.com/aacflow/segment-blocks/registry"
)

// A Change is a file of a fork to write.
type Change struct {
	File
	// Before is the present content, or nil if there is no such file.
	Before []byte
}

// Application is what a fork needs to have the blocks.
type Application struct {
	// Changes are the files to write; there are none if the fork is up to date.
	Changes []Change
	// Commands are to be run in the root of the fork afterwards. Generated are the files that they
	// write, to be committed with the others.
	Commands, Generated []string
}

// Apply returns the changes that add the files of [Native] to a fork and to its registries. App is
// the folder apps/sim of the fork. Apply writes nothing. The files come out the same, whether an
// earlier version was applied or not. It fails if a registry does not have the form of the engine.
func Apply(reg *registry.Registry, in Integration, engine Engine, app fs.FS) (Application, error) {
	files, p, err := generate(reg, in, engine)
	if err != nil {
		return Application{}, err
	}
	if _, err := fs.Stat(app, maps); err == nil {
		p.Registry = maps // from June to August 2026, forks of an older form already had it
	}
	a := Application{Commands: p.Commands(), Generated: p.Generated()}
	for _, f := range files {
		if path.Ext(f.Path) == ".md" {
			continue // the pages are for doing this by hand
		}
		before, err := fs.ReadFile(app, f.Path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return Application{}, fmt.Errorf("apply to a fork: %w", err)
		}
		a.add(f, before)
	}
	for _, c := range p.Changes() {
		before, err := fs.ReadFile(app, c.Path)
		if err != nil {
			return Application{}, fmt.Errorf("apply to a fork of the form %s: %w", engine, err)
		}
		content := p.without(string(before))
		for _, e := range c.Edits {
			if content, err = e.add(content); err != nil {
				return Application{}, fmt.Errorf("apply to a fork of the form %s: %s: %w", engine, c.Path, err)
			}
		}
		a.add(File{c.Path, []byte(content)}, before)
	}
	return a, nil
}

func (a *Application) add(f File, before []byte) {
	if before == nil || string(before) != string(f.Content) {
		a.Changes = append(a.Changes, Change{f, before})
	}
}

// without removes from a file what an earlier application has added.
func (p page) without(file string) string {
	for _, pattern := range []string{
		`import \{[^}]*\} from '@/tools/` + p.ID + `'\n`,
		`import \{[^}]*\} from '@/blocks/blocks/` + p.ID + `'\n`,
		`  ` + p.ID + `: ` + p.Type() + `Block(Meta)?,\n`,
		`  ` + p.ID + `_\w+:\s+` + strings.ToLower(p.Type()[:1]) + p.Type()[1:] + `\w+Tool,\n`,
		`\n?export function ` + p.Type() + `Icon\((?s:.*?)^\}\n`,
	} {
		file = regexp.MustCompile(`(?m)^`+pattern).ReplaceAllString(file, "")
	}
	return file
}

// An edit adds lines to a file.
type edit struct {
	// Where says for people where the lines of Text belong.
	Where, Text string
	// add returns the file with the lines added.
	add func(file string) (string, error)
}

// addImport adds an import before the first one whose module comes later in the same folder, or
// else after all imports.
func addImport(lines string) edit {
	pattern := regexp.MustCompile(`(?m)^import (?:type )?(?:[^;'"]*? from )?['"]([^'"]+)['"];?\n`)
	module := pattern.FindStringSubmatch(lines)[1]
	return edit{"Among the imports", lines, func(file string) (string, error) {
		all := pattern.FindAllStringSubmatchIndex(file, -1)
		if all == nil {
			return "", errors.New("it has no imports where the lines belong")
		}
		at := all[len(all)-1][1]
		for _, m := range all {
			if other := file[m[2]:m[3]]; path.Dir(other) == path.Dir(module) && other > module {
				at = m[0]
				break
			}
		}
		return file[:at] + lines + file[at:], nil
	}}
}

// addEntries adds members to the object with one of the names.
func addEntries(lines string, names ...string) edit {
	pattern := regexp.MustCompile(`(?m)^  ['"]?([\w-]+)['"]?:`)
	first := pattern.FindStringSubmatch(lines)[1]
	return edit{"In the object `" + names[0] + "`", lines, func(file string) (string, error) {
		list := strings.Join(names, "|")
		head := regexp.MustCompile(`(?m)^(?:export )?const (?:` + list + `)\b[^\n]*\{\n`).FindStringIndex(file)
		if head == nil {
			return "", fmt.Errorf("it has no object called %s", text.Or(names...))
		}
		start := head[1] - 1 // the line break, which in an empty object also begins the end
		object := file[start:]
		object = object[:strings.Index(object, "\n}")+1]
		keys := pattern.FindAllStringSubmatchIndex(object, -1)
		// The objects are sorted only in parts. So the lines follow the largest of the smaller
		// keys.
		before, at := "", 1
		for i, m := range keys {
			if key := object[m[2]:m[3]]; key < first && key > before {
				before, at = key, len(object)
				if i+1 < len(keys) {
					at = keys[i+1][0]
				}
			}
		}
		at += start
		return file[:at] + lines + file[at:], nil
	}}
}

// addAtEnd adds lines at the end, after a blank one.
func addAtEnd(lines string) edit {
	return edit{"At the end", lines, func(file string) (string, error) {
		return strings.TrimRight(file, "\n") + "\n\n" + lines, nil
	}}
}
