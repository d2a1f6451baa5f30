package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Package tracking refuses messages, and warns, under codes of its own. Those have to be explained
// as well.
func TestTrackingCodesAreExplained(t *testing.T) {
	known, err := readCodes()
	require.NoError(t, err)
	violations := map[string]string{}
	for code, v := range known.violations() {
		violations[code] = v.Meaning
	}
	requireExplained(t, "errors.go", "Code", violations)
	requireExplained(t, "report.go", "Warn", known.Warnings)
}

func requireExplained(t *testing.T, name, prefix string, explained map[string]string) {
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", "..", "segment", "tracking", name), nil, 0)
	require.NoError(t, err)
	found := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, prefix) || len(spec.Values) == 0 {
			return true
		}
		code, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		require.NoError(t, err)
		require.NotEmpty(t, explained[code], "docs/gen does not explain %q", code)
		found++
		return true
	})
	require.NotZero(t, found)
}
