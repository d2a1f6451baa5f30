package schemas

import (
	"slices"
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

// Major returns the major version of a block.
func (a About) Major() int { return VersionNumbers(a.Version)[0] }

// Ref returns the id of a block with its major version: segment_track@1.
func (a About) Ref() string { return a.ID + "@" + strconv.Itoa(a.Major()) }

// VersionNumbers returns the numbers of a version like 1.2.3. What is no number counts as 0.
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
