package settings

import (
	"regexp"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// unknownVariables warns of environment variables that look like ours and that nothing reads: with
// a misspelt SEGMENT_WRITE_KEY, every event would go to an emulator. It never shows a value.
func (s *Settings) unknownVariables() {
	known := []string{"SEGMENT_BLOCKS_CONFIG", "SEGMENT_BLOCKS_TOKEN", "SEGMENT_BLOCKS_URL"}
	for _, setting := range All() {
		known = append(known, setting.Env)
	}
	for _, source := range s.Sources {
		known = append(known, source.WriteKeyEnv)
	}
	// Kubernetes sets these in each pod for a service called segment or segment-blocks.
	kubernetes := regexp.MustCompile(`_SERVICE_(HOST|PORT.*)$|_PORT(_\d+_.*)?$`)
	for _, pair := range slices.Sorted(slices.Values(s.options.Environ)) {
		name, value, _ := strings.Cut(pair, "=")
		if value == "" || slices.Contains(known, name) || kubernetes.MatchString(name) {
			continue
		}
		near := nearest(name, known)
		const unread = "the environment variable %s is not one that segment-blocks reads; "
		switch {
		case near != "":
			s.warn(unread+"did you mean %s?", name, near)
		case strings.HasPrefix(name, "SEGMENT_"):
			s.warn(unread+"segment-blocks help environment lists those", name)
		}
	}
}

// nearest returns the known name that differs from name in at most two letters, ignoring
// underscores, or "".
func nearest(name string, known []string) string {
	plain := func(s string) string { return strings.ToUpper(strings.ReplaceAll(s, "_", "")) }
	best, distance := "", 3
	for _, k := range known {
		// A long name is nobody's slip, and its distance takes time.
		if !strings.HasPrefix(k, "SEGMENT_") || len(name) > 2*len(k) {
			continue
		}
		if d := levenshtein.ComputeDistance(plain(name), plain(k)); d < distance {
			best, distance = k, d
		}
	}
	return best
}
