package schemas

import (
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/aacflow/segment-blocks/internal/text"
)

// Deprecation says that a block should no longer be used. It is empty for one that should.
type Deprecation struct {
	// Deprecated is a sentence that says why.
	Deprecated string `json:"deprecated,omitempty"`
	// ReplacedBy is the block to use instead: an id, or an id and a major version.
	ReplacedBy string `json:"replacedBy,omitempty"`
	// Sunset is the day from which the block may be gone, such as 2027-06-30.
	Sunset string `json:"sunset,omitempty"`
}

// Notice returns all that a deprecation says, in sentences, or "" where there is none.
func (d Deprecation) Notice() string {
	if d.Deprecated == "" {
		return ""
	}
	notice := strings.TrimSuffix(d.Deprecated, ".") + "."
	if d.ReplacedBy != "" {
		notice += " Use " + d.ReplacedBy + " instead."
	}
	if d.Sunset != "" {
		notice += " It may be gone from " + d.Sunset + " on."
	}
	return notice
}

// Change is what a version has brought, in a line.
type Change struct {
	Version string `json:"version"`
	Text    string `json:"text"`
}

// history reads what has become of a block, and what will.
func (r *reader) history(root *yaml.Node, m *Manifest) {
	m.Deprecated, m.ReplacedBy = r.line(root, "deprecated"), r.line(root, "replacedBy")
	m.Sunset = r.line(root, "sunset")
	for _, key := range []string{"replacedBy", "sunset"} {
		if n := child(root, key); n != nil && m.Deprecated == "" {
			r.fail(n, "%s needs deprecated beside it, a sentence that says why the block should not be used", key)
		}
	}
	if id, major := CutMajor(m.ReplacedBy); m.ReplacedBy != "" && !ValidID(id) {
		r.fail(child(root, "replacedBy"), "replacedBy must be the id of a block, or an id and its major version, "+
			"such as segment_track@2: %q", m.ReplacedBy)
	} else if id == m.ID && m.ID != "" && (major == 0 || major == m.Major()) {
		r.fail(child(root, "replacedBy"), "replacedBy must be another block, or another major version of this one, "+
			"such as %s@%d: %q", m.ID, m.Major()+1, m.ReplacedBy)
	}
	if _, err := time.Parse(time.DateOnly, m.Sunset); m.Sunset != "" && err != nil {
		r.fail(child(root, "sunset"), "sunset must be a day, such as 2027-06-30: %q", m.Sunset)
	}
	r.changes(root, m)
}

func (r *reader) changes(root *yaml.Node, m *Manifest) {
	n := child(root, "changes")
	if n != nil && n.Kind != yaml.MappingNode {
		r.fail(n, "changes must be a mapping of versions to lines, such as 1.0.0: The first version.")
		return
	}
	for key := range pairs(n) {
		c := Change{Version: key.Value, Text: r.line(n, key.Value)}
		before := m.Version
		if len(m.Changes) > 0 {
			before = m.Changes[len(m.Changes)-1].Version
		}
		switch {
		case !versionPattern.MatchString(c.Version):
			r.fail(key, "changes must name versions like 1.2.3: %q", text.Clip(c.Version, 60))
		case CompareVersions(c.Version, m.Version) > 0:
			r.fail(key, "changes must not go beyond the version of the manifest, %s: %q", m.Version, c.Version)
		case CompareVersions(c.Version, before) > 0:
			r.fail(key, "changes must begin with the newest version: %q", c.Version)
		}
		m.Changes = append(m.Changes, c)
	}
}

// line returns a text of one line, or "".
func (r *reader) line(n *yaml.Node, key string) string {
	s := r.optionalText(n, key)
	if s != text.Escape(s) {
		r.fail(child(n, key), "%s must be one line: %q", key, text.Clip(s, 60))
	}
	return s
}
