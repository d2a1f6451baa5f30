package schemas

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/rawjson/yamljson"
)

// Load reads every *.yaml file at the root of files and returns the manifests sorted by id, and
// then by version, newest first. Two files may declare the same id with different major versions. A
// file with only $defs is not a manifest: it holds definitions that others refer to as
// FILE#/$defs/NAME.
//
// Load checks for unknown keys, dangling references, faulty schemas, names that hosts reserve, and
// examples that break their schema. It returns the errors of all files together, each with file and
// line. If files are named, the others only provide definitions. The host is AACFlow; for another
// host use [LoadFor].
func Load(files fs.FS, named ...string) ([]*Manifest, error) {
	return LoadFor(AACFlow(), files, named...)
}

// LoadFor is Load for a host with other conventions.
func LoadFor(host Conventions, files fs.FS, named ...string) ([]*Manifest, error) {
	names, err := fs.Glob(files, "*.yaml")
	if err != nil {
		return nil, fmt.Errorf("list manifests: %w", err)
	}
	definitions := map[string]rawjson.Object{}
	var readers []*reader
	for _, name := range names {
		asked := len(named) == 0 || slices.Contains(named, name)
		data, err := fs.ReadFile(files, name)
		if err != nil && asked {
			return nil, fmt.Errorf("read manifests: %w", err)
		}
		r := &reader{yamljson.Read(data), name, host, definitions}
		definitions[name] = rawjson.OpenObject(r.JSON).Object("$defs")
		if asked || definitions[name] != nil {
			readers = append(readers, r)
		}
	}
	var manifests []*Manifest
	var errs []error
	for _, r := range readers {
		if m := r.read(); m != nil {
			manifests = append(manifests, m)
		}
		for _, fault := range r.Faults {
			errs = append(errs, fmt.Errorf("%s:%d: %s", r.name, max(1, fault.Line), fault.Message))
		}
	}
	slices.SortFunc(manifests, func(a, b *Manifest) int {
		return cmp.Or(cmp.Compare(a.ID, b.ID), CompareVersions(b.Version, a.Version))
	})
	for i := 1; i < len(manifests); i++ {
		if a, b := manifests[i-1], manifests[i]; a.ID != "" && a.ID == b.ID && a.Major() == b.Major() {
			errs = append(errs, fmt.Errorf("two manifests have the id %q and the major version %d", a.ID, a.Major()))
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return manifests, nil
}

// read returns the manifest in the file, or nil where there is none.
func (r *reader) read() *Manifest {
	root := rawjson.OpenObject(r.JSON)
	switch {
	case len(r.Faults) > 0:
		return nil
	case len(root) == 1 && root[0].Name == "$defs":
		for _, definition := range r.definitions[r.name] {
			r.check(rawjson.Pointer("/$defs", definition.Name), definition.Value)
		}
		return nil
	}
	return r.manifest(root)
}

// manifest turns a document into a Manifest. Faulty parts stay empty.
func (r *reader) manifest(root rawjson.Object) *Manifest {
	m := &Manifest{About: r.about(root), Input: r.schema(root, "input"), Output: r.schema(root, "output")}
	r.checkHistory(root, m)
	r.checkWords(m)
	m.Sentence = r.sentence(root.Text("sentence"), m)
	if m.Input != nil && m.Output != nil {
		r.checkFields("/input", m.Input.Fields(), r.host.ReservedInputs, "user-only", "user-or-llm")
		r.checkFields("/output", m.Output.Fields(), r.host.ReservedOutputs, "")
		r.checkExamples(m)
	}
	return m
}

// schema returns a schema with its references to other files resolved, or nil after a fault. A
// faulty schema is not compiled: the compiler would report the same fault, without a line.
func (r *reader) schema(root rawjson.Object, key string) *Schema {
	raw, given := root.Get(key)
	if !given {
		return nil // a fault that the form has found
	}
	before := len(r.Faults)
	if r.check("/"+key, raw); len(r.Faults) > before {
		return nil
	}
	whole, err := r.inline(raw, nil)
	if err == nil {
		var s *Schema
		if s, err = Compile("https://blocks.invalid/"+r.name+"/"+key, filled(whole, key == "input")); err == nil {
			return s
		}
	}
	where, _ := errors.AsType[schemaError](err)
	r.Fault("/"+key+where.pointer, "%s: %v", key, err)
	return nil
}

// checkExamples validates the examples, without a context, because a manifest is small. It leaves
// the refused inputs to the block's tests: some rules are known only to the block.
//
//nolint:contextcheck,nolintlint // contextcheck reads this, and does not say so
func (r *reader) checkExamples(m *Manifest) {
	for i, e := range m.Examples {
		at := fmt.Sprintf("/examples/%d", i)
		for _, v := range m.Input.Validate(context.Background(), r.normalised(e.Input, m.Input.Fields())) {
			r.Fault(at+"/input"+v.Path, "example breaks the input schema: %s %s", v.Path, v.Message)
		}
		for _, v := range m.Output.Validate(context.Background(), e.Output) {
			r.Fault(at+"/output"+v.Path, "example breaks the output schema: %s %s", v.Path, v.Message)
		}
	}
}

// checkWords refuses unsorted lists of words, so that equal manifests look equal, and skills that
// do not name the block.
func (r *reader) checkWords(m *Manifest) {
	sorted := func(pointer string, words []string) {
		if !slices.IsSorted(words) {
			r.Fault(pointer, "%s must be sorted", path.Base(pointer))
		}
	}
	sorted("/tags", m.Tags)
	for i, t := range m.Templates {
		at := fmt.Sprintf("/templates/%d", i)
		sorted(at+"/modules", t.Modules)
		sorted(at+"/tags", t.Tags)
		sorted(at+"/with", t.With)
	}
	for i, s := range m.Skills {
		if s.Content != "" && m.ID != "" && !strings.Contains(s.Content, m.ID) {
			r.Fault(fmt.Sprintf("/skills/%d", i), "content must name the block that it is about: %q", m.ID)
		}
	}
}

// sentence parses a sentence such as Track {event} [for {userId|anonymousId}]. The part in brackets
// is optional. The schema of manifests has checked the form.
func (r *reader) sentence(text string, m *Manifest) (clauses []Clause) {
	part := regexp.MustCompile(`(\[?)([^][{}]*)(?:\{([\w|]+)\}\]?)?`)
	for _, found := range part.FindAllStringSubmatch(text, -1) {
		c := Clause{Text: strings.TrimSpace(found[2]), Optional: found[1] != ""}
		if found[3] != "" {
			c.Fields = strings.Split(found[3], "|")
		}
		for _, name := range c.Fields {
			if m.Input != nil && Find(m.Input.Fields(), name) == nil {
				r.Fault("/sentence", "sentence names a parameter that the block does not have: %q", name)
			}
		}
		if c.Text != "" || c.Fields != nil {
			clauses = append(clauses, c)
		}
	}
	return clauses
}

// normalised resolves what only the host's conventions make valid: empty text for an absent value,
// and JSON given as text. The runtime does so too before it validates an input, but it cannot be
// used here, because it is made from manifests.
func (r *reader) normalised(input rawjson.Object, fields []Field) rawjson.Object {
	var out rawjson.Object
	for _, m := range input {
		f := Find(fields, m.Name)
		text, isText := rawjson.Text(m.Value)
		if isText && text == "" && r.host.BlankIsAbsent {
			continue
		}
		if isText && f != nil && f.Type == "json" && r.host.JSONInText && json.Valid([]byte(text)) {
			m.Value = json.RawMessage(text)
		}
		out = append(out, m)
	}
	return out
}
