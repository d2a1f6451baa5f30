package aacflow

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"

	"github.com/aacflow/segment-blocks/registry"
)

// A Change is a file of a fork that differs from what it should be.
type Change struct {
	File
	// Before is what the file holds now, nil if there is none.
	Before []byte
}

// Application is what a fork needs in order to have the blocks.
type Application struct {
	// Changes are the files to write, none if the fork has all of it.
	Changes []Change
	// Commands are to be run in the root of the fork then, and Generated are the files that they
	// write, to be committed with the others.
	Commands, Generated []string
}

// Apply returns what makes a fork have the files of [Native] and its own registries name them. The
// app is the folder apps/sim of the fork. Nothing is written, and the result is the same whether an
// earlier version has been applied or not. It fails where a registry does not look as the engine's
// does.
func Apply(reg *registry.Registry, in Integration, engine Engine, app fs.FS) (Application, error) {
	files, p, err := generate(reg, in, engine)
	if err != nil {
		return Application{}, err
	}
	if _, err := fs.Stat(app, maps); err == nil {
		p.Registry = maps // from June to August 2026 forks of an older form had it already
	}
	a := Application{Commands: p.Commands(), Generated: p.Generated()}
	for _, f := range files {
		if path.Ext(f.Path) == ".md" {
			continue // the pages are for whoever does this by hand
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
		text := p.without(string(before))
		for _, e := range c.Edits {
			if text, err = e.apply(text); err != nil {
				return Application{}, fmt.Errorf("apply to a fork of the form %s: %s: %w", engine, c.Path, err)
			}
		}
		a.add(File{c.Path, []byte(text)}, before)
	}
	return a, nil
}

func (a *Application) add(f File, before []byte) {
	if before == nil || string(before) != string(f.Content) {
		a.Changes = append(a.Changes, Change{f, before})
	}
}

// without takes out of a file what an earlier application has added.
func (p page) without(text string) string {
	for _, pattern := range []string{
		`import \{[^}]*\} from '@/tools/` + p.ID + `'\n`,
		`import \{[^}]*\} from '@/blocks/blocks/` + p.ID + `'\n`,
		`  ` + p.ID + `: ` + p.Type() + `Block(Meta)?,\n`,
		`  ` + p.ID + `_\w+:\s+` + strings.ToLower(p.Type()[:1]) + p.Type()[1:] + `\w+Tool,\n`,
		`\n?export function ` + p.Type() + `Icon\((?s:.*?)^\}\n`,
	} {
		text = regexp.MustCompile(`(?m)^`+pattern).ReplaceAllString(text, "")
	}
	return text
}

var (
	importPattern = regexp.MustCompile(`(?m)^import (?:type )?(?:[^;'"]*? from )?['"]([^'"]+)['"];?\n`)
	keyPattern    = regexp.MustCompile(`(?m)^  ['"]?([\w-]+)['"]?:`)
)

// apply adds the lines of an edit to a text that lacks them.
func (e edit) apply(text string) (string, error) {
	switch e.Kind {
	case ending:
		return strings.TrimRight(text, "\n") + "\n\n" + e.Text, nil
	case imports:
		module := importPattern.FindStringSubmatch(e.Text)[1]
		all := importPattern.FindAllStringSubmatchIndex(text, -1)
		if all == nil {
			return "", errors.New("it has no imports where the lines belong")
		}
		at := all[len(all)-1][1]
		for _, m := range all {
			if other := text[m[2]:m[3]]; path.Dir(other) == path.Dir(module) && other > module {
				at = m[0]
				break
			}
		}
		return text[:at] + e.Text + text[at:], nil
	}
	head := regexp.MustCompile(`(?m)^(?:export )?const (?:` + e.List + `)\b[^\n]*\{\n`).FindStringIndex(text)
	if head == nil {
		return "", fmt.Errorf("it has no object called %s", strings.ReplaceAll(e.List, "|", " or "))
	}
	length := strings.Index(text[head[1]:], "\n}")
	if strings.HasPrefix(text[head[1]:], "}") {
		length = -1 // it is empty
	}
	first := keyPattern.FindStringSubmatch(e.Text)[1]
	object := text[head[1] : head[1]+length+1]
	keys := keyPattern.FindAllStringSubmatchIndex(object, -1)
	before, at := "", 0 // the lists are sorted only here and there: behind the nearest key that goes ahead
	for i, m := range keys {
		if key := object[m[2]:m[3]]; key < first && key > before {
			before, at = key, len(object)
			if i+1 < len(keys) {
				at = keys[i+1][0]
			}
		}
	}
	at += head[1]
	return text[:at] + e.Text + text[at:], nil
}
