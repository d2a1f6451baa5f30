package schemas

import (
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/aacflow/segment-blocks/internal/text"
)

// limits reads how much the receiver of a block takes.
func (r *reader) limits(root *yaml.Node, m *Manifest) {
	if n := child(root, "limits"); n != nil {
		for _, line := range n.Content {
			s := strings.TrimSpace(line.Value)
			if line.Kind != yaml.ScalarNode || s == "" || s != text.Escape(s) {
				r.fail(line, "limits must be lines of text: %q", text.Clip(s, 60))
			}
			m.Limits = append(m.Limits, s)
		}
		if n.Kind != yaml.SequenceNode {
			r.fail(n, "limits must be a list of lines")
		}
	}
	if n := child(root, "maxRequestBytes"); n != nil {
		bytes, err := strconv.Atoi(n.Value)
		if err != nil || bytes < 1 {
			r.fail(n, "maxRequestBytes must be a number of bytes above 0: %q", text.Clip(n.Value, 60))
		}
		m.MaxRequestBytes = bytes
	}
}
