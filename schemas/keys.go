package schemas

import (
	"slices"
	"strings"
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

// Keys returns the keys of a manifest, in the order in which a manifest is best read.
//
//nolint:funlen // a list
func Keys() []Key {
	return []Key{
		{
			"id", "What hosts invoke the block by: lower-case words joined by underscores, 64 characters at most.",
			"", "id: hello_greet",
		},
		{"name", "The title that people see.", "", "name: Hello Greet"},
		{"summary", "One line that says what the block does, without a full stop.", "", "summary: Greet somebody by name"},
		{
			"description", "What the block does, in one or several paragraphs.",
			"", "description: Writes a greeting for one person.",
		},
		{
			"whenToUse", "When to choose this block, and when another. Agents decide by it.",
			"", "whenToUse: Use it when somebody arrives.",
		},
		{
			"version", "The semantic version of what callers rely on. A change that breaks them needs a new major " +
				"version, " +
				"any other change of the contract a new minor version.", "", "version: 1.0.0",
		},
		{
			"deprecated", "A sentence that says why the block should not be used any more. Pages, the catalog and agents " +
				"show it, and the receipt of each invocation warns.", "in use", "deprecated: Greetings have moved.",
		},
		{
			"replacedBy", "The block to use instead of a deprecated one: an id, or an id and its major version.",
			"no block", "replacedBy: hello_greet@2",
		},
		{"sunset", "The day from which a deprecated block may be gone.", "no day", "sunset: 2027-06-30"},
		{
			"changes", "What each version has brought, a line each, the newest first.", "no lines",
			"changes:\n  1.0.0: The first version.",
		},
		{"category", "One word that groups blocks in a catalog.", "", "category: examples"},
		{"tags", "Lower-case words to find the block by, sorted.", "no tags", "tags: [greeting, hello]"},
		{"link", "The vendor's own documentation.", "no link", "link: https://example.com/docs"},
		{
			"icon", "The data of a filled SVG path on a grid of 24 by 24, at most 2,000 characters.", "a plain icon",
			"icon: M4 4h16v16H4z",
		},
		{
			"color", "The background of the icon, dark enough for white: a hash and six hexadecimal digits.",
			"the catalog's own color", `color: "#0f766e"`,
		},
		{"verb", "The label of the button that runs the block, at most 30 characters.", "a general label", "verb: Greet"},
		{
			"sentence", "What a card of the block says: text with {parameter}, and [text {parameter}] that is left out " +
				"while it has no value.", "no sentence", "sentence: Greet {name}",
		},
		{
			"templates", "Workflows to start from, in the words that somebody would give an assistant.", "no templates",
			`templates:
  - title: Welcome mail
    prompt: Build a workflow that greets everybody who signs up.
    category: marketing
    modules: [agent]
    tags: [greeting]`,
		},
		{"templates[].title", "What the workflow is for.", "", ""},
		{"templates[].prompt", "What to build.", "", ""},
		{
			"templates[].category", "popular, sales, support, engineering, marketing, productivity or operations.", "", "",
		},
		{
			"templates[].modules", "What the workflow uses: agent, files, knowledge-base, scheduled, tables, workflows.",
			"", "",
		},
		{"templates[].tags", "Lower-case words to find it by, sorted.", "", ""},
		{"templates[].with", "The host's other integrations in it.", "none", ""},
		{
			"skills", "Knowledge for an agent that may call the block.", "no skills",
			`skills:
  - name: greet-people
    description: Greets people by name.
    content: Call hello_greet with the name of the person.`,
		},
		{"skills[].name", "Lower-case words joined by hyphens.", "", ""},
		{"skills[].description", "What the skill is for.", "", ""},
		{"skills[].content", "Markdown that names the block.", "", ""},
		{
			"limits", "Sentences that say how much the receiver takes. The executor enforces them.", "no limits",
			"limits: [A name may have 99 characters.]",
		},
		{
			"maxRequestBytes", "The largest body of one request, in bytes, for the catalog's meter.", "not known",
			"maxRequestBytes: 32000",
		},
		{
			"input", "The JSON Schema of what an invocation takes: an object with properties. Each property has a " +
				"description, and may have examples. Rules across properties stand in allOf, each with a title.", "",
			`input:
  type: object
  additionalProperties: false
  properties:
    name:
      type: string
      minLength: 1
      description: Whom to greet.
      examples: [Ada]
  allOf:
    - {required: [name], title: Somebody must be named}`,
		},
		{
			"output", "The JSON Schema of what it returns: an object with properties, each with a " +
				"description.", "",
			`output:
  type: object
  additionalProperties: false
  required: [text]
  properties:
    text: {type: string, description: The greeting.}`,
		},
		{
			"examples", "Complete invocations, one at least. They are validated when the manifest is loaded, and " +
				"the acceptance kit " +
				"runs them.", "",
			`examples:
  - title: A friend
    input: {name: Ada}
    output: {text: Hello Ada}`,
		},
		{"examples[].title", "What the example shows.", "", ""},
		{"examples[].input", "The input.", "", ""},
		{"examples[].output", "What comes of it.", "", ""},
		{
			"refused", "Inputs that the block refuses. The acceptance kit runs them as well.", "no refusals",
			`refused:
  - title: Nobody
    input: {name: ''}
    violations:
      - {path: /name, code: missing_parameter}`,
		},
		{"refused[].title", "What is wrong with the input.", "", ""},
		{"refused[].input", "The input.", "", ""},
		{"refused[].violations", "What it is refused for, one violation at least.", "", ""},
		{"refused[].violations[].path", "The JSON Pointer of the value, '' for the whole input.", "", ""},
		{"refused[].violations[].code", "The code of the violation.", "", ""},
	}
}

// OwnKeywords returns the keywords of a manifest's schemas that JSON Schema does not have.
func OwnKeywords() []Key {
	return []Key{
		{
			"x-aacflow-type", "The type that a host's form shows: string, json, boolean or number. It stands at " +
				"properties of the root.", "what the type says: json for an object or an array, none for several types",
			"x-aacflow-type: json",
		},
		{
			"x-filled-by", "Who fills a parameter in: user-only for credentials and account settings, user-or-llm " +
				"for all else.", "user-only for a secret, else user-or-llm", "x-filled-by: user-only",
		},
		{
			"x-hint", "What a host's assistant should write into the parameter.", "no hint",
			"x-hint: The name of the person, without a title.",
		},
		{
			"x-code", "The code of the violation that any keyword of this schema leads to.",
			"a code by the keyword, such as wrong_type", "x-code: no_user_anon_id",
		},
		{"x-codes", "The same for single keywords.", "x-code", "x-codes: {type: event_not_string}"},
		{
			"x-says", "The sentence of a violation for single keywords, where their own says too little.", "a " +
				"sentence by the keyword",
			"x-says: {pattern: must hold visible ASCII characters only}",
		},
	}
}

// keysBelow returns the names of the keys right below a place, such as examples[]. or "".
func keysBelow(place string) []string {
	var names []string
	for _, k := range Keys() {
		if name, ok := strings.CutPrefix(k.Name, place); ok && !strings.ContainsAny(name, ".[") {
			names = append(names, name)
		}
	}
	return names
}

// Keywords returns the keywords that the schemas of a manifest may have, our own included, sorted.
func Keywords() []string {
	var names []string
	for name := range keywords() {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
