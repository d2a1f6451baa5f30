package schemas

import (
	"fmt"
	"strings"

	"github.com/agnivade/levenshtein"
)

// DidYouMean returns `; did you mean "x"?` with the known name nearest to name, or "" if none is
// near. Case and separators do not count, so user_id finds userId.
func DidYouMean(name string, known []string) string {
	if len(name) > 100 { // too long for a slip, and slow to compare
		return ""
	}
	separators := strings.NewReplacer("_", "", "-", "", " ", "")
	plain := func(s string) string { return strings.ToLower(separators.Replace(s)) }
	written := plain(name)
	best, distance := "", 3
	for _, k := range known {
		if len(name) >= 4 && strings.HasSuffix(k, "_"+name) { // track for segment_track
			return fmt.Sprintf("; did you mean %q?", k)
		}
		d := levenshtein.ComputeDistance(written, plain(k))
		if d < distance && d*2 <= len(k) {
			best, distance = k, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}
