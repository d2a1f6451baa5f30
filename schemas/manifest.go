// Package schemas reads manifests: the YAML files that declare blocks, one file each, with a JSON
// Schema for the input and one for the output. Everything else about a block derives from its
// manifest. The file manifest.schema.yaml is the schema of a manifest.
//
//	manifests, err := schemas.Load(segment.Manifests())
//	track := manifests[0]
//	violations := track.Input.Validate(ctx, rawjson.Object{{Name: "userId", Value: []byte("42")}})
//
// The schemas are JSON Schema 2020-12, checked by github.com/santhosh-tekuri/jsonschema/v5, and
// compiled once, when they are loaded. A few keywords of our own say what JSON Schema cannot:
//
//	x-aacflow-type   string, json, boolean or number: the type that a host's form shows
//	x-filled-by      user-only (credentials and account settings) or user-or-llm (all else)
//	x-hint           what a host's assistant should write into the parameter
//	x-code           code of the violation that any keyword of this schema leads to
//	x-codes          codes for single keywords
//	x-says           sentences for single keywords, where the keyword's own says too little
package schemas

import (
	"regexp"
	"strings"

	"github.com/aacflow/segment-blocks/rawjson"
)

// Manifest is a block's declaration. It is read-only once loaded, and safe for concurrent use.
type Manifest struct {
	About
	// Input and Output are the schemas of an invocation's input and output. Both are objects.
	Input, Output *Schema
}

// About is a manifest without its schemas: plain data that marshals to JSON.
type About struct {
	// ID is what hosts invoke the block by, such as segment_track.
	ID string `json:"id"`
	// Name is the title that people see, Summary one line without a full stop.
	Name    string `json:"name"`
	Summary string `json:"summary"`
	// Description and WhenToUse are prose of one or several paragraphs.
	Description string `json:"description"`
	WhenToUse   string `json:"whenToUse"`
	// Version is the manifest's own semantic version.
	Version string `json:"version"`
	// Deprecation says that the block should no longer be used. Changes says what each version
	// changed, newest first.
	Deprecation
	Changes []Change `json:"changes,omitempty"`
	// Category and Tags are lower-case words to list and find blocks by; tags are sorted.
	Category string   `json:"category"`
	Tags     []string `json:"tags"`
	// Link is the vendor's documentation.
	Link string `json:"link,omitempty"`
	// Icon is the data of a filled SVG path on a 24 by 24 grid, Color its background as #rrggbb,
	// dark enough for a white icon, and Verb a short label, such as Track event. A catalog shows
	// them. All are optional.
	Icon  string `json:"icon,omitempty"`
	Color string `json:"color,omitempty"`
	Verb  string `json:"verb,omitempty"`
	// Sentence describes an invocation on a card, Templates are workflows to start from, and Skills
	// tell an agent how to use the block. All are optional.
	Sentence  []Clause   `json:"sentence,omitempty"`
	Templates []Template `json:"templates,omitempty"`
	Skills    []Skill    `json:"skills,omitempty"`
	// Limits are sentences about the receiver's limits, and MaxRequestBytes is the largest body of
	// one request, 0 if unknown. They inform people; the executor enforces them.
	Limits          []string `json:"limits"`
	MaxRequestBytes int      `json:"maxRequestBytes,omitempty"`
	// Examples are complete invocations. Tests run each of them.
	Examples []Example `json:"examples"`
	// Refused are inputs that the block refuses, with the resulting violations. Tests run them too.
	Refused []Refusal `json:"refused"`
}

// Deprecation says that a block should no longer be used. It is empty for a current block.
type Deprecation struct {
	// Deprecated is a sentence that says why.
	Deprecated string `json:"deprecated,omitempty"`
	// ReplacedBy is the block to use instead: an id, or an id and a major version.
	ReplacedBy string `json:"replacedBy,omitempty"`
	// Sunset is the day from which the block may be gone, such as 2027-06-30.
	Sunset string `json:"sunset,omitempty"`
}

// Notice returns the deprecation in sentences, or "".
func (d Deprecation) Notice() string {
	if d.Deprecated == "" {
		return ""
	}
	notice := strings.TrimSuffix(d.Deprecated, ".") + "."
	if d.ReplacedBy != "" {
		notice += " Use " + d.ReplacedBy + " instead."
	}
	if d.Sunset != "" {
		notice += " It may be gone from " + d.Sunset + " on."
	}
	return notice
}

// Change is a line that says what a version changed.
type Change struct {
	Version string `json:"version"`
	Text    string `json:"text"`
}

// Example is an input and the output that it leads to.
type Example struct {
	Title  string         `json:"title"`
	Input  rawjson.Object `json:"input"`
	Output rawjson.Object `json:"output"`
}

// Refusal is an input and why it is refused.
type Refusal struct {
	Title      string         `json:"title"`
	Input      rawjson.Object `json:"input"`
	Violations []Violation    `json:"violations"` // without messages
}

// Clause is a part of the sentence on a block's card: text, followed by a parameter's value.
type Clause struct {
	Text string `json:"text"`
	// Fields are parameters. The first one with a value is shown. A clause of plain text has none.
	Fields []string `json:"fields,omitempty"`
	// Optional clauses are omitted while no parameter has a value.
	Optional bool `json:"optional,omitempty"`
}

// Template is a workflow to start from, as a prompt for an assistant.
type Template struct {
	Title    string   `json:"title"`
	Prompt   string   `json:"prompt"`
	Category string   `json:"category"`
	Modules  []string `json:"modules"`
	Tags     []string `json:"tags"`
	// With lists the host's other integrations in it.
	With []string `json:"with,omitempty"`
}

// Skill is knowledge for an agent that may call the block.
type Skill struct {
	Name        string `json:"name"` // lower-case words joined by hyphens
	Description string `json:"description"`
	Content     string `json:"content"` // Markdown
}

// ValidID reports whether id can name a block: lower-case words joined by underscores, 64
// characters at most.
func ValidID(id string) bool {
	return len(id) <= 64 && regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`).MatchString(id)
}
