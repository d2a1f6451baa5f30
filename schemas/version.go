package schemas

import (
	"strconv"
	"strings"
)

// CutMajor cuts what a host invokes a block by, such as segment_track@1, into the id and the major
// version that the block must have, 0 for any. What does not end in @ and a number is all id.
func CutMajor(ref string) (id string, major int) {
	id, digits, _ := strings.Cut(ref, "@")
	if n, err := strconv.Atoi(digits); err == nil && n > 0 && strconv.Itoa(n) == digits {
		return id, n
	}
	return ref, 0
}

// Major returns the major version of a manifest.
func (m *Manifest) Major() int {
	digits, _, _ := strings.Cut(m.Version, ".")
	n, _ := strconv.Atoi(digits) // the loader has checked it
	return n
}
