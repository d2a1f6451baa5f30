package schemas

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/aacflow/segment-blocks/internal/text"
	"github.com/aacflow/segment-blocks/rawjson"
)

// checkHistory checks what no schema can: that changes and deprecation fit the block's id and
// version.
func (r *reader) checkHistory(root rawjson.Object, m *Manifest) {
	for _, key := range []string{"replacedBy", "sunset"} {
		if _, given := root.Get(key); given && m.Deprecated == "" {
			r.Fault("/"+key, "%s needs deprecated too, a sentence that says why", key)
		}
	}
	if id, major := CutMajor(m.ReplacedBy); m.ReplacedBy != "" && !ValidID(id) {
		r.Fault("/replacedBy", "replacedBy must be the id of a block, or an id and its major version, "+
			"such as segment_track@2: %q", m.ReplacedBy)
	} else if id == m.ID && m.ID != "" && (major == 0 || major == m.Major()) {
		r.Fault("/replacedBy", "replacedBy must be another block, or another major version of this one, "+
			"such as %s@%d: %q", m.ID, m.Major()+1, m.ReplacedBy)
	}
	before := m.Version
	for _, change := range m.Changes {
		at, version := rawjson.Pointer("/changes", change.Version), change.Version
		switch {
		case !regexp.MustCompile(`^\d+\.\d+\.\d+$`).MatchString(version):
			r.FaultAtKey(at, "changes must name versions like 1.2.3: %q", text.Clip(version, 60))
		case m.Version != "" && CompareVersions(version, m.Version) > 0:
			r.FaultAtKey(at, "changes must not have a version above the manifest's, %s: %q", m.Version, version)
		case before != "" && CompareVersions(version, before) > 0:
			r.FaultAtKey(at, "changes must begin with the newest version: %q", version)
		}
		before = version
	}
}

// CutMajor splits a block reference such as segment_track@1 into the id and the required major
// version, 0 for any. A reference without @ and a number is an id.
func CutMajor(ref string) (id string, major int) {
	id, digits, found := strings.Cut(ref, "@")
	if !found { // the usual case: Atoi would allocate an error
		return ref, 0
	}
	if n, err := strconv.Atoi(digits); err == nil && n > 0 && strconv.Itoa(n) == digits {
		return id, n
	}
	return ref, 0
}

// Major returns the major version of a block.
func (a About) Major() int { return VersionNumbers(a.Version)[0] }

// Ref returns the id of a block with its major version: segment_track@1.
func (a About) Ref() string { return a.ID + "@" + strconv.Itoa(a.Major()) }

// VersionNumbers returns the numbers of a version like 1.2.3. A part that is not a number counts as
// 0.
func VersionNumbers(version string) (numbers [3]int) {
	for i, part := range strings.SplitN(version, ".", 3) {
		numbers[i], _ = strconv.Atoi(part)
	}
	return numbers
}

// CompareVersions compares two versions like 1.2.3 as cmp.Compare compares numbers.
func CompareVersions(a, b string) int {
	as, bs := VersionNumbers(a), VersionNumbers(b)
	return slices.Compare(as[:], bs[:])
}
