package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/schemas"
	"github.com/aacflow/segment-blocks/tracking"
)

const generated = "<!-- Generated from schemas/segment by go generate ./docs/gen. Do not edit. -->\n\n"

// page is a block's page in the form of AACFlow's own: usage, input and output tables. Below stand the things that AACFlow's pages do
// not have: rules, limits, examples and refusals.
func page(e registry.Entry) []byte {
	var b bytes.Buffer
	b.WriteString(generated)
	fmt.Fprintf(&b, "# %s\n\n`%s` · %s\n\n", e.Name, e.ID, e.Summary)
	fmt.Fprintf(&b, "## Usage Instructions\n\n%s\n\n%s\n\n", e.Description, e.WhenToUse)
	if e.Link != "" {
		fmt.Fprintf(&b, "Segment's own documentation of the call: <%s>\n\n", e.Link)
	}
	b.WriteString("## Input\n\n| Parameter | Type | Required | Description |\n| --------- | ---- | -------- | ----------- |\n")
	for _, f := range e.Input {
		fmt.Fprintf(&b, "| `%s` | %s | No | %s |\n", f.Name, f.Type, cell(describe(f)))
	}
	b.WriteString("\nNo parameter is required by itself, because a host may supply any of them. What Segment needs stands in the rules.\n\n")
	nested(&b, e.Input)
	b.WriteString("### Rules\n\n")
	for _, r := range e.Rules {
		fmt.Fprintf(&b, "- %s.\n", r)
	}
	b.WriteString("- " + jsonRule(e.Input) + " Each may also be a text that holds it.\n")
	b.WriteString("- An empty text and `null` count as not given. A parameter that does not exist is refused.\n")
	b.WriteString("- A parameter that is still a `{{VARIABLE}}` or a `<block.field>` is refused.\n\n")
	b.WriteString("### Limits\n\n")
	for _, l := range limits(e) {
		fmt.Fprintf(&b, "- %s\n", l)
	}
	b.WriteString("\nWhat exceeds them is refused before anything is sent.\n\n")
	b.WriteString("## Output\n\n| Parameter | Type | Description |\n| --------- | ---- | ----------- |\n")
	for _, f := range e.Output {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", f.Name, f.Type, cell(f.Description))
	}
	b.WriteString("\nAccepted means that Segment has confirmed receipt. It does not confirm delivery to destinations.\n\n")
	b.WriteString("## Examples\n\n")
	for _, x := range e.Examples {
		fmt.Fprintf(&b, "%s:\n\n```json\n%s\n```\n\ngives\n\n```json\n%s\n```\n\n", x.Title, indent(x.Input), indent(x.Output))
	}
	b.WriteString("## Refused\n\nThese inputs are refused, and nothing is sent. The codes are explained in [errors](../errors.md).\n\n")
	for _, x := range e.Refused {
		fmt.Fprintf(&b, "%s:\n\n```json\n%s\n```\n\n| Path | Code |\n| ---- | ---- |\n", x.Title, indent(x.Input))
		for _, v := range x.Violations {
			fmt.Fprintf(&b, "| `%s` | `%s` |\n", or(v.Path, "(all of it)"), v.Code)
		}
		b.WriteString("\n")
	}
	return append(bytes.TrimRight(b.Bytes(), "\n"), '\n')
}

// describe adds to a description what the table has no column for.
func describe(f schemas.Field) string {
	d := f.Description
	if f.Secret {
		d += " Secret: only a user fills it in, and it is never shown."
	}
	if f.Example != nil && !f.Secret && f.Type != "json" {
		d += " Example: `" + strings.Trim(string(f.Example), `"`) + "`."
	}
	return d
}

// nested shows the fields of the objects in an array, such as the messages of a batch.
func nested(b *bytes.Buffer, fields []schemas.Field) {
	for _, f := range fields {
		if len(f.Fields) == 0 {
			continue
		}
		fmt.Fprintf(b, "### Objects in `%s`\n\nHere `json` means an object, not a text that holds one.\n\n| Field | Type | Description |\n| ----- | ---- | ----------- |\n", f.Name)
		for _, sub := range f.Fields {
			if sub.Description != "" {
				fmt.Fprintf(b, "| `%s` | %s | %s |\n", sub.Name, or(sub.Type, "string"), cell(sub.Description))
			}
		}
		b.WriteString("\n")
	}
}

// jsonRule says of each json parameter what JSON it takes.
func jsonRule(fields []schemas.Field) string {
	words := map[rawjson.Kind]string{rawjson.ObjectKind: "an object", rawjson.ArrayKind: "a list"}
	var parts []string
	for _, f := range fields {
		if f.Type == "json" {
			parts = append(parts, fmt.Sprintf("`%s` takes %s", f.Name, words[f.Kinds[0]]))
		}
	}
	return strings.Join(parts, ", ") + "."
}

func limits(e registry.Entry) []string {
	message := fmt.Sprintf("A message may have %d bytes, all that is sent with it included.", tracking.MaxMessageBytes)
	if e.ID != "segment_batch" {
		return []string{message}
	}
	return []string{
		message,
		fmt.Sprintf("A request may have %d bytes and %d messages; a longer list is split.", tracking.MaxBodyBytes, tracking.MaxBatchMessages),
		fmt.Sprintf("A messageId may have %d characters.", tracking.MaxMessageIDLength),
	}
}

func index(entries []registry.Entry) []byte {
	var b bytes.Buffer
	b.WriteString(generated)
	b.WriteString("# Blocks\n\n")
	b.Write(table(entries))
	return b.Bytes()
}

// table lists the blocks. Its links hold from the module's root and from docs/blocks, since they name the folder from the root.
func table(entries []registry.Entry) []byte {
	var b bytes.Buffer
	b.WriteString("| Block | What it does | Needs |\n| ----- | ------------ | ----- |\n")
	for _, e := range entries {
		fmt.Fprintf(&b, "| [`%s`](/docs/blocks/%s.md) | %s | %s |\n", e.ID, e.ID, e.Summary, needs(e))
	}
	return b.Bytes()
}

// needs names the parameters that the rules at the root ask for.
func needs(e registry.Entry) string {
	var schema struct {
		AllOf []struct {
			Required []string
			AnyOf    []struct{ Required []string }
		}
	}
	_ = json.Unmarshal(e.InputSchema, &schema) // compiled long ago
	var parts []string
	for _, rule := range schema.AllOf {
		for _, name := range rule.Required {
			parts = append(parts, "`"+name+"`")
		}
		var choice []string
		for _, branch := range rule.AnyOf {
			choice = append(choice, "`"+strings.Join(branch.Required, "` and `")+"`")
		}
		if choice != nil {
			parts = append(parts, strings.Join(choice, " or "))
		}
	}
	return strings.Join(parts, ", and ")
}

// between replaces what stands between the markers in a file.
func between(path string, content []byte) ([]byte, error) {
	const begin, end = "<!-- blocks: generated by go generate ./docs/gen -->\n", "<!-- /blocks -->"
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	before, rest, ok := strings.Cut(string(data), begin)
	_, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		return nil, fmt.Errorf("%s has no markers %q and %q", path, strings.TrimSpace(begin), end)
	}
	return []byte(before + begin + "\n" + string(content) + "\n" + end + after), nil
}

func indent(v rawjson.Object) string {
	var b bytes.Buffer
	if err := json.Indent(&b, v.JSON(), "", "  "); err != nil {
		return err.Error()
	}
	return b.String()
}

// cell escapes what a Markdown table would take for its own.
func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", "{{", "&#123;&#123;").Replace(s)
}

func or(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}
