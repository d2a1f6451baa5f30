package schemas

import (
	"strings"

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

// checkHistory refuses what no schema can: what has become of a block, and what will, must fit its id
// and its version.
func (r *reader) checkHistory(root *yaml.Node, m *Manifest) {
	for _, key := range []string{"replacedBy", "sunset"} {
		if n := child(root, key); n != nil && child(root, "deprecated") == nil {
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
	before := m.Version
	for key := range pairs(child(root, "changes")) {
		switch version := key.Value; {
		case !versionPattern.MatchString(version):
			r.fail(key, "changes must name versions like 1.2.3: %q", text.Clip(version, 60))
		case m.Version != "" && CompareVersions(version, m.Version) > 0:
			r.fail(key, "changes must not go beyond the version of the manifest, %s: %q", m.Version, version)
		case before != "" && CompareVersions(version, before) > 0:
			r.fail(key, "changes must begin with the newest version: %q", version)
		}
		before = key.Value
	}
}
