package schemas

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/aacflow/segment-blocks/internal/text"
	"gopkg.in/yaml.v3"
)

// The bounds of what a catalog draws.
const (
	longestIcon = 2000
	longestVerb = 30
)

var (
	// pathPattern is SVG path data: commands and their numbers, beginning with a move.
	pathPattern = regexp.MustCompile(
		`^[Mm]([\s,]*[MmLlHhVvCcSsQqTtAaZz]?[\s,]*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?|[\s,]*[Zz])+\s*$`)
	colorPattern = regexp.MustCompile(`^#[0-9a-fA-F]{6}$`)
)

// look reads what a catalog draws a block with. A page puts the icon and the colour into its
// markup, so nothing else than they may get through.
func (r *reader) look(root *yaml.Node, m *Manifest) {
	value := func(key string, fits func(string) bool, must string) string {
		n := child(root, key)
		if n == nil {
			return ""
		}
		s := strings.TrimSpace(n.Value)
		if n.Kind != yaml.ScalarNode || !fits(s) {
			r.fail(n, "%s must be %s: %q", key, must, text.Clip(s, 60))
			return ""
		}
		return s
	}
	m.Icon = value("icon", func(s string) bool { return len(s) <= longestIcon && pathPattern.MatchString(s) },
		"the data of an SVG path on a grid of 24 by 24, at most 2,000 characters, such as M4 4h16v16H4z")
	m.Color = value("color", colorPattern.MatchString,
		`a hash and six hexadecimal digits, in quotes, such as "#0f766e"`)
	m.Verb = value("verb", func(s string) bool {
		return s != "" && utf8.RuneCountInString(s) <= longestVerb && s == text.Escape(s)
	}, "a line of at most 30 characters, such as Track event")
}
