package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Packages tracking and importer refuse messages and warn with codes of their own. These must be
// explained too.
func TestTrackingCodesAreExplained(t *testing.T) {
	code := regexp.MustCompile(`^"[a-z]+(_[a-z]+)+"$`) // no other string in these files has this form
	known, err := readCodes()
	require.NoError(t, err)
	explained := func(code string) bool {
		return known.Violations[code].Meaning != "" || known.Warnings[code] != ""
	}
	for _, field := range []string{"properties", "traits", "context", "integrations"} {
		require.True(t, explained(field+"_not_object"), field)
	}
	for _, field := range []string{"event", "name", "category"} {
		require.True(t, explained(field+"_not_string"), field)
	}
	found := 0
	for _, name := range []string{
		"tracking/message.go", "tracking/prepare.go", "tracking/render.go", "importer/importer.go",
		"importer/message.go", "importer/reader.go", "importer/records.go",
	} {
		path := filepath.Join("..", "..", "segment", name)
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		require.NoError(t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && code.MatchString(lit.Value) {
				require.True(t, explained(strings.Trim(lit.Value, `"`)), "docs/gen does not explain %s", lit.Value)
				found++
			}
			return true
		})
	}
	require.Greater(t, found, 20)
}
