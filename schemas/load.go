package schemas

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"

	"gopkg.in/yaml.v3"
)

// Load reads every *.yaml file at the root of files and returns the manifests sorted by id, and
// those of one id by version, the newest first. Two files may declare the same id where their major
// versions differ. A file that has nothing but $defs is not a manifest: it holds definitions that
// the others refer to as FILE#/$defs/NAME.
//
// A manifest is checked fully: unknown keys, references that lead nowhere, faulty schemas, names
// that hosts treat specially, examples that break their own schema. All errors of all files are
// returned together, each with file and line. Where files are named, the others count only as
// definitions. The host is AACFlow; for another one see [LoadFor].
func Load(files fs.FS, named ...string) ([]*Manifest, error) {
	return LoadFor(AACFlow(), files, named...)
}

// LoadFor is Load for a host with conventions of its own.
func LoadFor(host Conventions, files fs.FS, named ...string) ([]*Manifest, error) {
	names, err := fs.Glob(files, "*.yaml")
	if err != nil {
		return nil, fmt.Errorf("list manifests: %w", err)
	}
	r := &reader{
		conventions: host, keywords: keywords(), documents: map[string]*yaml.Node{}, file: map[*yaml.Node]string{},
	}
	for _, name := range names {
		faults := len(r.errs)
		r.read(files, name)
		root := r.documents[name]
		if len(named) > 0 && !slices.Contains(named, name) && (root == nil || !isDefinitions(root)) {
			delete(r.documents, name)
			r.errs = r.errs[:faults] // they are not asked for
		}
	}
	var manifests []*Manifest
	for _, name := range names {
		if root := r.documents[name]; root != nil && !isDefinitions(root) {
			manifests = append(manifests, r.manifest(root))
		}
	}
	slices.SortFunc(manifests, func(a, b *Manifest) int {
		return cmp.Or(cmp.Compare(a.ID, b.ID), CompareVersions(b.Version, a.Version))
	})
	for i := 1; i < len(manifests); i++ {
		if a, b := manifests[i-1], manifests[i]; a.ID != "" && a.ID == b.ID && a.Major() == b.Major() {
			r.errs = append(r.errs, fmt.Errorf("two manifests have the id %q and the major version %d", a.ID, a.Major()))
		}
	}
	if len(r.errs) > 0 {
		return nil, errors.Join(r.errs...)
	}
	return manifests, nil
}

// reader takes the documents of manifests apart and collects what is wrong with them. It does not
// stop at the first fault, so that whoever writes a manifest sees all of them at once.
type reader struct {
	conventions Conventions
	keywords    map[string]string
	documents   map[string]*yaml.Node
	// file tells of each node in which file it stands. A node that a $ref copies into another
	// document keeps its own.
	file map[*yaml.Node]string
	errs []error
}

func (r *reader) fail(n *yaml.Node, format string, args ...any) {
	r.errs = append(r.errs, fmt.Errorf("%s:%d: %w", r.file[n], n.Line, fmt.Errorf(format, args...)))
}

// read parses a file, and keeps its document if that has the form of one.
func (r *reader) read(files fs.FS, name string) {
	var doc yaml.Node
	data, err := fs.ReadFile(files, name)
	if err == nil {
		err = yaml.Unmarshal(data, &doc)
	}
	switch {
	case err != nil:
		r.errs = append(r.errs, fmt.Errorf("%s: %w", name, err))
		return
	case len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode:
		r.errs = append(r.errs, fmt.Errorf("%s:1: a manifest must be a mapping of keys to values", name))
		return
	}
	root, before := doc.Content[0], len(r.errs)
	r.claim(root, name)
	if r.checkTree(root); len(r.errs) == before {
		r.documents[name] = root
	}
}

func (r *reader) claim(n *yaml.Node, name string) {
	r.file[n] = name
	for _, c := range n.Content {
		r.claim(c, name)
	}
}

// checkTree refuses what YAML allows and a manifest has no use for: keys given twice, keys that are
// not text, and aliases.
func (r *reader) checkTree(n *yaml.Node) {
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		r.fail(n, "anchors and aliases are not allowed, use $ref")
		return
	}
	seen := map[string]bool{}
	for key := range pairs(n) {
		switch {
		case key.Kind != yaml.ScalarNode:
			r.fail(key, "a key must be plain text")
		case seen[key.Value]:
			r.fail(key, "key given twice: %q", key.Value)
		}
		seen[key.Value] = true
	}
	for _, c := range n.Content {
		r.checkTree(c)
	}
}

func isDefinitions(root *yaml.Node) bool {
	return len(root.Content) == 2 && root.Content[0].Value == "$defs"
}

// manifest turns a document into a Manifest. What is wrong with it leaves a part of that empty.
func (r *reader) manifest(root *yaml.Node) *Manifest {
	address := "https://blocks.invalid/" + path.Base(r.file[root])
	m := &Manifest{About: r.about(root)}
	m.Input, m.Output = r.schema(root, "input", address+"/input"), r.schema(root, "output", address+"/output")
	r.checkHistory(root, m)
	r.checkWords(root, m)
	if written := child(root, "sentence"); written != nil {
		m.Sentence = r.sentence(written, m)
	}
	if m.Input != nil && m.Output != nil {
		r.checkFields(child(root, "input"), m.Input.Fields(), true)
		r.checkFields(child(root, "output"), m.Output.Fields(), false)
		r.checkExamples(root, m)
	}
	return m
}
