package contract

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// next returns the least version for what has changed since another.
func next(version string, changed, breaking bool) string {
	v := numbers(version)
	switch {
	case breaking:
		return fmt.Sprintf("%d.0.0", v[0]+1)
	case changed:
		return fmt.Sprintf("%d.%d.0", v[0], v[1]+1)
	}
	return version
}

func isLess(version, other string) bool {
	return slices.Compare(numbers(version), numbers(other)) < 0
}

// numbers returns those of a version like 1.2.3. What is not a number counts as 0: a manifest's
// version has been checked, and one of a service that has another form is older than any.
func numbers(version string) []int {
	v := make([]int, 3)
	for i, part := range strings.SplitN(version, ".", 3) {
		v[i], _ = strconv.Atoi(part)
	}
	return v
}
