package blocks_test

import (
	"strings"

	"github.com/rogpeppe/go-internal/txtar"
)

// archive is a file in Go's txtar format: a comment, then sections.
type archive struct{ txtar.Archive }

func parseArchive(text string) *archive { return &archive{*txtar.Parse([]byte(text))} }

func (a *archive) String() string { return string(txtar.Format(&a.Archive)) }

// add appends a section, unless it would be empty.
func (a *archive) add(name, data string) {
	if data != "" {
		a.Files = append(a.Files, txtar.File{Name: name, Data: []byte(strings.TrimSuffix(data, "\n") + "\n")})
	}
}

func (a *archive) get(name string) string {
	for _, f := range a.Files {
		if f.Name == name {
			return string(f.Data)
		}
	}
	return ""
}
