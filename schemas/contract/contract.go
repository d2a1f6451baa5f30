// Package contract compares a block's promises to its callers with its earlier promises, and says
// which version the difference needs.
//
//	diff := contract.Compare(contract.Of(before), contract.Of(after))
//	if !diff.Versioned { … } // diff.Changes say why diff.Needs is the least version
//
// A contract covers values, not words: titles, descriptions, examples, deprecation and the
// sentences of violations may change without a new version.
package contract

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/schemas"
)

// Contract is what callers of a block rely on.
type Contract struct {
	ID      string `json:"id"`
	Version string `json:"version"`
	// InputSchema and OutputSchema are the manifest's schemas, without annotations for people.
	InputSchema  json.RawMessage `json:"inputSchema"`
	OutputSchema json.RawMessage `json:"outputSchema"`
	// Codes are the violation codes that the manifest names, sorted.
	Codes []string `json:"codes"`
}

// Of returns the contract of a manifest.
func Of(m *schemas.Manifest) Contract {
	return New(m.ID, m.Version, m.Input.JSON(), m.Output.JSON(), m.Refused)
}

// New returns a contract from those parts of a manifest that a catalog lists. The schemas must be
// JSON.
func New(id, version string, input, output json.RawMessage, refused []schemas.Refusal) Contract {
	codes := map[string]bool{}
	rawjson.Texts(input, func(pointer, text string) bool {
		if strings.HasSuffix(pointer, "/x-code") || strings.Contains(pointer, "/x-codes/") {
			codes[text] = true
		}
		return true
	})
	for _, refusal := range refused {
		for _, v := range refusal.Violations {
			codes[v.Code] = true
		}
	}
	return Contract{id, version, wordless(input), wordless(output), slices.Sorted(maps.Keys(codes))}
}

func wordless(schema json.RawMessage) json.RawMessage {
	return schemas.Rewrite(schema, func(s rawjson.Object) rawjson.Object {
		return s.Without("title", "description", "examples", "deprecated", "$comment", "x-says", "x-hint")
	})
}

// Change is one difference between two contracts of a block.
type Change struct {
	// Breaking reports whether a caller of the old contract may fail with the new one.
	Breaking bool `json:"breaking"`
	// Part is block, input, output or codes.
	Part string `json:"part"`
	// Path is the JSON Pointer of the value, with * for each element of a list.
	Path    string `json:"path"`
	Message string `json:"message"`
}

// Diff is the difference between two contracts of a block.
type Diff struct {
	Block string `json:"block"`
	// Before and After are the versions, "" if the block did not or does not exist.
	Before string `json:"before"`
	After  string `json:"after"`
	// Needs is the lowest version that the changes allow, "" if the block is gone.
	Needs string `json:"needs"`
	// Versioned reports whether After is that version or a later one.
	Versioned bool     `json:"versioned"`
	Changes   []Change `json:"changes"`
}

// Breaking reports whether any of the changes is breaking.
func (d Diff) Breaking() bool {
	return slices.ContainsFunc(d.Changes, func(c Change) bool { return c.Breaking })
}

// Compare compares two contracts of a block. These changes break callers: an input accepts less
// than before, an output may hold more values or lacks a member, a code is gone. A new output
// member breaks nobody: callers ignore unknown members.
func Compare(before, after Contract) Diff {
	d := Diff{Block: before.ID, Before: before.Version, After: after.Version, Changes: []Change{}}
	for _, part := range []struct {
		name          string
		before, after json.RawMessage
	}{{"input", before.InputSchema, after.InputSchema}, {"output", before.OutputSchema, after.OutputSchema}} {
		c := comparison{part: part.name}
		c.schema("", decode(part.before), decode(part.after))
		d.Changes = append(d.Changes, c.changes...)
	}
	for _, code := range lacking(before.Codes, after.Codes) {
		d.Changes = append(d.Changes, Change{true, "codes", "", "code gone: " + code})
	}
	for _, code := range lacking(after.Codes, before.Codes) {
		d.Changes = append(d.Changes, Change{false, "codes", "", "new code: " + code})
	}
	d.Needs = next(before.Version, len(d.Changes) > 0, d.Breaking())
	d.Versioned = schemas.CompareVersions(after.Version, d.Needs) >= 0
	return d
}

// CompareAll compares the blocks of two catalogs, sorted by id. Each major version of a block is
// compared with the same earlier one, and a new major version with the newest earlier one. No
// version number permits removing a block, or a major version that callers could name.
func CompareAll(before, after []Contract) []Diff {
	olds, nows, count := majors(before), majors(after), map[string]int{}
	diffs := []Diff{}
	for _, now := range nows {
		old := slices.IndexFunc(olds, func(c Contract) bool { return sameMajor(c, now) })
		if old < 0 {
			old = slices.IndexFunc(olds, func(c Contract) bool { return c.ID == now.ID })
		}
		d := Diff{Block: now.ID, After: now.Version, Needs: now.Version, Versioned: true}
		d.Changes = []Change{{false, "block", "", "new block"}}
		if old >= 0 {
			d = Compare(olds[old], now)
		}
		diffs = append(diffs, d)
	}
	for _, old := range olds {
		count[old.ID]++
	}
	for _, old := range olds {
		kept := slices.ContainsFunc(nows, func(c Contract) bool {
			return sameMajor(c, old) || c.ID == old.ID && count[old.ID] == 1 // already compared with its successor
		})
		if !kept {
			gone := []Change{{true, "block", "", "block gone"}}
			diffs = append(diffs, Diff{Block: old.ID, Before: old.Version, Changes: gone})
		}
	}
	slices.SortFunc(diffs, func(a, b Diff) int {
		return cmp.Or(cmp.Compare(a.Block, b.Block),
			schemas.CompareVersions(cmp.Or(a.After, a.Before), cmp.Or(b.After, b.Before)))
	})
	return diffs
}

// majors returns the newest version of each major version, because each major version is a promise
// of its own. They are sorted by id, newest first.
func majors(list []Contract) []Contract {
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b Contract) int {
		return cmp.Or(cmp.Compare(a.ID, b.ID), schemas.CompareVersions(b.Version, a.Version))
	})
	return slices.CompactFunc(list, sameMajor)
}

func sameMajor(a, b Contract) bool {
	return a.ID == b.ID && schemas.VersionNumbers(a.Version)[0] == schemas.VersionNumbers(b.Version)[0]
}

// next returns the lowest version that the changes since version allow. No change needs a new patch
// version, which is for words, and a contract has none.
func next(version string, changed, breaking bool) string {
	v := schemas.VersionNumbers(version)
	switch {
	case breaking:
		return fmt.Sprintf("%d.0.0", v[0]+1)
	case changed:
		return fmt.Sprintf("%d.%d.0", v[0], v[1]+1)
	}
	return version
}
