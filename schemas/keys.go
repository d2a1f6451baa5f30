package schemas

import (
	_ "embed"
	"maps"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// Key is a key of a manifest and what it is for. The loader knows those of [Keys] and no others,
// and docs/manifest.md is made of them.
type Key struct {
	// Name has, for a key within lists, the names of those in front: examples[].title.
	Name    string
	Meaning string
	// Default is what holds where the key is not given, "" for one that must be.
	Default string
	// Example is YAML. Those of the keys at the root are a whole manifest together.
	Example string
}

//go:embed keys.yaml
var keysFile []byte

// keyTable is what keys.yaml holds.
type keyTable struct{ Keys, Keywords []Key }

func readKeys() (table keyTable) {
	if err := yaml.Unmarshal(keysFile, &table); err != nil {
		panic(err) // the file is part of the program, and tests read it
	}
	return table
}

// Keys returns the keys of a manifest, in the order in which a manifest is best read.
func Keys() []Key { return readKeys().Keys }

// OwnKeywords returns the keywords of a manifest's schemas that JSON Schema does not have.
func OwnKeywords() []Key { return readKeys().Keywords }

// keys refuses those that a mapping at a place, such as examples[]. or "" for the root, cannot have.
func (r *reader) keys(n *yaml.Node, place string) {
	var known []string
	for _, k := range r.known {
		if name, ok := strings.CutPrefix(k.Name, place); ok && !strings.ContainsAny(name, ".[") {
			known = append(known, name)
		}
	}
	for key := range pairs(n) {
		if !slices.Contains(known, key.Value) {
			r.fail(key, "unknown key %q%s", key.Value, DidYouMean(key.Value, known))
		}
	}
}

// Keywords returns the keywords that the schemas of a manifest may have, our own included, sorted.
func Keywords() []string { return slices.Sorted(maps.Keys(keywords())) }
