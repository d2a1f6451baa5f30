package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/aacflow/segment-blocks/"

// The code must keep to the table of imports in docs/architecture.md.
func TestImportsRunOneWay(t *testing.T) {
	root := filepath.Join("..", "..")
	allowed := importTable(t, filepath.Join(root, "docs", "architecture.md"))
	seen := 0
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || d.Name() == "testdata" ||
			file == filepath.Join(root, "segment", "emulator", "clients")) {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return nil
		}
		rel, err := filepath.Rel(root, filepath.Dir(file))
		require.NoError(t, err)
		room := roomOf(allowed, filepath.ToSlash(rel))
		require.NotEmpty(t, room, "docs/architecture.md does not say what %s may import", rel)
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		require.NoError(t, err)
		for _, spec := range parsed.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			require.NoError(t, err)
			inside, ok := strings.CutPrefix(imported, module)
			if !ok {
				continue
			}
			seen++
			other := roomOf(allowed, inside)
			everybodys := (other == "rawjson" || other == "internal") && room != "rawjson" && room != "internal"
			if other != room && !everybodys && !slices.Contains(allowed[room], "anything") {
				require.Contains(t, allowed[room], other, "%s imports %s", file, inside)
			}
		}
		return nil
	})
	require.NoError(t, err)
	require.NotZero(t, seen)
}

// roomOf returns the room of the table that a folder belongs to: the innermost that contains it.
func roomOf(rooms map[string][]string, folder string) string {
	for ; folder != "."; folder = path.Dir(folder) {
		if _, ok := rooms[folder]; ok {
			return folder
		}
	}
	return ""
}

func importTable(t *testing.T, file string) map[string][]string {
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	_, table, ok := strings.Cut(string(data), "| ---- | ---------- | ---------- |\n")
	require.True(t, ok)
	quoted := regexp.MustCompile("`([^`]+)`")
	names := func(cell string) (out []string) {
		for _, m := range quoted.FindAllStringSubmatch(cell, -1) {
			out = append(out, m[1])
		}
		return out
	}
	rooms := map[string][]string{}
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 {
			break
		}
		for _, room := range names(cells[1]) {
			rooms[room] = names(cells[2])
			if strings.Contains(cells[2], "anything") {
				rooms[room] = []string{"anything"}
			}
		}
	}
	require.NotEmpty(t, rooms)
	return rooms
}
