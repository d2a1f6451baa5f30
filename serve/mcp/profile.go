package mcp

import (
	"strings"

	"github.com/aacflow/segment-blocks/registry"
)

// Profile is the form in which input schemas are published. It changes what a client is told, never
// what is accepted: the runtime validates each call against the block's own schema.
type Profile string

const (
	// Sim is for the MCP block of AACFlow and Sim. Each parameter may be null, and those that take
	// JSON may be a text that holds it, because references in their forms arrive as text. Nothing
	// is required and the rules are in the description: their own check reports a violation only as
	// "Invalid tool arguments". It has only the keywords that every provider of models accepts.
	// Members of an output that are null are left out, since a reference to one would arrive in
	// the next block as the text null.
	Sim Profile = "sim"
	// Agent is for models that call the tools. It is as plain as Sim, but has exact types, and
	// requires the parameters that are needed in any case. Some providers of models refuse the
	// combining keywords that Strict has at the root of a tool's schema.
	Agent Profile = "agent"
	// Strict is the block's own schema with all its rules, without the credential and the keywords
	// that only this project knows.
	Strict Profile = "strict"
)

// Profiles returns all profiles.
func Profiles() []Profile { return []Profile{Sim, Agent, Strict} }

// describe returns the description of a tool, with the rules that its schema does not state.
func describe(e registry.Entry, p Profile) string {
	paragraphs := []string{e.Summary + "."}
	if notice := e.Notice(); notice != "" {
		paragraphs = []string{"Deprecated: " + notice, e.Summary + "."}
	}
	for paragraph := range strings.SplitSeq(e.WhenToUse, "\n\n") {
		if words := strings.Fields(paragraph); len(words) > 0 {
			paragraphs = append(paragraphs, strings.Join(words, " ")) // manifests break their lines
		}
	}
	var rules []string
	for _, rule := range e.Rules {
		rules = append(rules, "- "+rule+".")
	}
	if p == Sim {
		var names []string
		for _, field := range e.Input {
			if field.Type == "json" {
				names = append(names, field.Name)
			}
		}
		if names != nil {
			rules = append(rules, "- JSON, or text that holds it: "+strings.Join(names, ", ")+".")
		}
		rules = append(rules, "- Empty text and null count as absent.")
	}
	if len(rules) > 0 {
		paragraphs = append(paragraphs, "Rules:\n"+strings.Join(rules, "\n"))
	}
	return strings.Join(paragraphs, "\n\n")
}
