package main

import (
	_ "embed"
	"fmt"

	"gopkg.in/yaml.v3"

	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/schemas/contract"
)

var (
	//go:embed errors.md.tmpl
	errorsTemplate string
	//go:embed codes.yaml
	codesFile []byte
)

// explanations is codes.yaml: what each code means, by code.
type explanations struct {
	Segment, Ours, Files, Any, Warnings map[string]string
}

// readCodes reads codes.yaml. A member that explanations does not have is passed over; the test of
// the page would miss its codes.
func readCodes() (explanations, error) {
	var known explanations
	err := yaml.Unmarshal(codesFile, &known)
	return known, err
}

// violation is a row of the table of violation codes.
type violation struct{ Whose, Meaning string }

// violations returns the codes of violations with whose they are: the reader of an error wants to
// know whether to ask Segment or this program.
func (e explanations) violations() map[string]violation {
	all := map[string]violation{}
	for whose, codes := range map[string]map[string]string{
		"Segment": e.Segment, "ours": e.Ours, "import": e.Files, "any block": e.Any,
	} {
		for code, meaning := range codes {
			all[code] = violation{whose, meaning}
		}
	}
	return all
}

// errorsPage explains error codes, violation codes and warning codes. It fails when a manifest uses
// a code that is not explained.
func errorsPage(entries []registry.Entry) ([]byte, error) {
	known, err := readCodes()
	if err != nil {
		return nil, fmt.Errorf("codes.yaml: %w", err)
	}
	violations := known.violations()
	for _, e := range entries {
		for _, code := range contract.New(e.ID, e.Version, e.InputSchema, e.OutputSchema, e.Refused).Codes {
			if violations[code].Meaning == "" {
				return nil, fmt.Errorf("the manifest of %s uses a code that codes.yaml does not explain: %q", e.ID, code)
			}
		}
	}
	return render(errorsTemplate, map[string]any{
		"Codes": runtime.Codes(), "Violations": violations, "Warnings": known.Warnings,
	})
}
