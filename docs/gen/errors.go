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

// explanations is codes.yaml: the meaning of each code. Whose says who makes the rule behind a
// violation, so that a reader knows whether to look at Segment's documentation or ours.
type explanations struct {
	Violations map[string]struct{ Whose, Meaning string }
	Warnings   map[string]string
}

func readCodes() (known explanations, err error) {
	err = yaml.Unmarshal(codesFile, &known)
	return known, err
}

// errorsPage explains error codes, violation codes and warning codes. It fails if a manifest uses a
// code without an explanation.
func errorsPage(entries []registry.Entry) ([]byte, error) {
	known, err := readCodes()
	if err != nil {
		return nil, fmt.Errorf("codes.yaml: %w", err)
	}
	for _, e := range entries {
		for _, code := range contract.New(e.ID, e.Version, e.InputSchema, e.OutputSchema, e.Refused).Codes {
			if known.Violations[code].Meaning == "" {
				return nil, fmt.Errorf("the manifest of %s uses a code that codes.yaml does not explain: %q", e.ID,
					code)
			}
		}
	}
	return render(errorsTemplate, map[string]any{
		"Codes": runtime.Codes(), "Violations": known.Violations, "Warnings": known.Warnings,
	})
}
