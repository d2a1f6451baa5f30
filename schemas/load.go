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

// Load reads every *.yaml file at the root of files and returns the manifests sorted by id. A file
// that has nothing but $defs is not a manifest: it holds definitions that the others refer to as
// FILE#/$defs/NAME.
//
// A manifest is checked fully: unknown keys, references that lead nowhere, faulty schemas, names
// that hosts treat specially, examples that break their own schema. All errors of all files are
// returned together, each with file and line. The host is AACFlow; for another one see [LoadFor].
func Load(files fs.FS) ([]*Manifest, error) { return LoadFor(AACFlow(), files) }

// LoadFor is Load for a host with conventions of its own.
func LoadFor(host Conventions, files fs.FS) ([]*Manifest, error) {
	names, err := fs.Glob(files, "*.yaml")
	if err != nil {
		return nil, fmt.Errorf("list manifests: %w", err)
	}
	l := &loader{
		conventions: host, keywords: keywords(), documents: map[string]*yaml.Node{}, file: map[*yaml.Node]string{},
	}
	var errs []error
	for _, name := range names {
		if err := l.read(files, name); err != nil {
			errs = append(errs, err)
		}
	}
	var manifests []*Manifest
	for _, name := range names {
		root := l.documents[name]
		if root == nil || isDefinitions(root) {
			continue
		}
		m, err := l.manifest(root)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		manifests = append(manifests, m)
	}
	slices.SortFunc(manifests, func(a, b *Manifest) int { return cmp.Compare(a.ID, b.ID) })
	for i := 1; i < len(manifests); i++ {
		if manifests[i].ID == manifests[i-1].ID {
			errs = append(errs, fmt.Errorf("two manifests have the id %q", manifests[i].ID))
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return manifests, nil
}

// loader holds the parsed files. Nodes copied from one file into another keep their own file for
// error messages.
type loader struct {
	conventions Conventions
	keywords    map[string]string
	documents   map[string]*yaml.Node
	file        map[*yaml.Node]string
}

func (l *loader) read(files fs.FS, name string) error {
	data, err := fs.ReadFile(files, name)
	if err != nil {
		return fmt.Errorf("read manifest: %w", err)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
		return fmt.Errorf("%s:1: a manifest must be a mapping of keys to values", name)
	}
	root := doc.Content[0]
	l.claim(root, name)
	if err := l.checkTree(root); err != nil {
		return err
	}
	l.documents[name] = root
	return nil
}

func (l *loader) claim(n *yaml.Node, name string) {
	l.file[n] = name
	for _, c := range n.Content {
		l.claim(c, name)
	}
}

// checkTree refuses what YAML allows and a manifest has no use for: keys given twice, keys that are
// not text, and aliases.
func (l *loader) checkTree(n *yaml.Node) error {
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		return l.errorf(n, "anchors and aliases are not allowed, use $ref")
	}
	if n.Kind == yaml.MappingNode {
		seen := map[string]bool{}
		for key := range pairs(n) {
			if key.Kind != yaml.ScalarNode {
				return l.errorf(key, "a key must be plain text")
			}
			if seen[key.Value] {
				return l.errorf(key, "key given twice: %q", key.Value)
			}
			seen[key.Value] = true
		}
	}
	for _, c := range n.Content {
		if err := l.checkTree(c); err != nil {
			return err
		}
	}
	return nil
}

func (l *loader) errorf(n *yaml.Node, format string, args ...any) error {
	return fmt.Errorf("%s:%d: %w", l.file[n], n.Line, fmt.Errorf(format, args...))
}

func isDefinitions(root *yaml.Node) bool {
	return len(root.Content) == 2 && root.Content[0].Value == "$defs"
}

// manifest turns a checked document into a Manifest, all its errors joined.
func (l *loader) manifest(root *yaml.Node) (*Manifest, error) {
	r := &reader{loader: l}
	m := &Manifest{}
	r.keys(root, "id", "name", "summary", "description", "whenToUse", "version", "category", "tags", "link",
		"icon", "color", "verb", "input", "output", "examples", "refused")
	m.ID = r.text(root, "id")
	m.Name = r.text(root, "name")
	m.Summary = r.text(root, "summary")
	m.Description = r.text(root, "description")
	m.WhenToUse = r.text(root, "whenToUse")
	m.Version = r.text(root, "version")
	m.Category = r.text(root, "category")
	m.Tags = r.words(root, "tags")
	m.Link = r.optionalText(root, "link")
	r.look(root, m)
	if m.ID != "" && !ValidID(m.ID) {
		r.fail(child(root, "id"), "id must be lower-case words joined by underscores, 64 characters at most: %q", m.ID)
	}
	if m.Version != "" && !versionPattern.MatchString(m.Version) {
		r.fail(child(root, "version"), "version must be like 1.2.3: %q", m.Version)
	}
	name := l.file[root]
	m.Input = r.schema(root, "input", "https://blocks.invalid/"+path.Base(name)+"/input")
	m.Output = r.schema(root, "output", "https://blocks.invalid/"+path.Base(name)+"/output")
	if m.Input != nil && m.Output != nil {
		r.checkFields(child(root, "input"), m.Input.Fields(), true)
		r.checkFields(child(root, "output"), m.Output.Fields(), false)
		m.Examples = r.examples(root, m)
		m.Refused = r.refusals(root)
	}
	if len(r.errs) > 0 {
		return nil, errors.Join(r.errs...)
	}
	return m, nil
}
