package registry

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/schemas"
)

// Markdown is the page of a block in the form of AACFlow's own, with usage, input and output
// tables, and below what those do not have: rules, examples and refusals. It ends in a line break.
func (e Entry) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n`%s` · %s\n\n", e.Name, e.ID, e.Summary)
	fmt.Fprintf(&b, "## Usage Instructions\n\n%s\n\n%s\n\n", e.Description, e.WhenToUse)
	if e.Link != "" {
		fmt.Fprintf(&b, "The vendor's own documentation of the call: <%s>\n\n", e.Link)
	}
	e.writeInput(&b)
	b.WriteString("## Output\n\n| Parameter | Type | Description |\n| --------- | ---- | ----------- |\n")
	for _, f := range e.Output {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", f.Name, f.Type, cell(f.Description))
	}
	b.WriteString("\n## Examples\n\n")
	for _, x := range e.Examples {
		const form = "%s:\n\n```json\n%s\n```\n\ngives\n\n```json\n%s\n```\n\n"
		fmt.Fprintf(&b, form, x.Title, indent(x.Input), indent(x.Output))
	}
	b.WriteString("## Refused\n\nThese inputs are refused, and nothing is sent.\n\n")
	for _, x := range e.Refused {
		fmt.Fprintf(&b, "%s:\n\n```json\n%s\n```\n\n| Path | Code |\n| ---- | ---- |\n", x.Title, indent(x.Input))
		for _, v := range x.Violations {
			path := "(all of it)"
			if v.Path != "" {
				path = "`" + v.Path + "`"
			}
			fmt.Fprintf(&b, "| %s | `%s` |\n", path, v.Code)
		}
		b.WriteString("\n")
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

func (e Entry) writeInput(b *strings.Builder) {
	b.WriteString("## Input\n\n| Parameter | Type | Required | Description |\n")
	b.WriteString("| --------- | ---- | -------- | ----------- |\n")
	var required []string
	list, _ := rawjson.OpenObject(e.InputSchema).Get("required")
	for _, name := range rawjson.OpenArray(list) {
		text, _ := rawjson.Text(name)
		required = append(required, text)
	}
	for _, f := range e.Input {
		needed := "No"
		if slices.Contains(required, f.Name) {
			needed = "Yes"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", f.Name, f.Type, needed, cell(describe(f)))
	}
	b.WriteString("\nA host may supply parameters by itself, so what the call needs stands in the rules.\n\n")
	writeNested(b, e.Input)
	b.WriteString("### Rules\n\n")
	for _, r := range e.Rules {
		fmt.Fprintf(b, "- %s.\n", r)
	}
	if rule := jsonRule(e.Input); rule != "" {
		fmt.Fprintf(b, "- %s. Each may also be a text that holds it.\n", rule)
	}
	b.WriteString("- An empty text and `null` count as not given. A parameter that does not exist is refused.\n")
	b.WriteString("- A parameter that is still a `{{VARIABLE}}` or a `<block.field>` is refused.\n\n")
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

// writeNested shows the fields of the objects in a list, such as the messages of a batch.
func writeNested(b *strings.Builder, fields []schemas.Field) {
	for _, f := range fields {
		if len(f.Fields) == 0 {
			continue
		}
		fmt.Fprintf(b, "### Objects in `%s`\n\nHere `json` means an object, not a text that holds one.\n\n", f.Name)
		b.WriteString("| Field | Type | Description |\n| ----- | ---- | ----------- |\n")
		for _, sub := range f.Fields {
			if sub.Description == "" {
				continue
			}
			kind := sub.Type
			if kind == "" {
				kind = "string"
			}
			fmt.Fprintf(b, "| `%s` | %s | %s |\n", sub.Name, kind, cell(sub.Description))
		}
		b.WriteString("\n")
	}
}

// jsonRule says of each json parameter what JSON it takes.
func jsonRule(fields []schemas.Field) string {
	words := map[rawjson.Kind]string{rawjson.ObjectKind: "an object", rawjson.ArrayKind: "a list"}
	var parts []string
	for _, f := range fields {
		if f.Type != "json" {
			continue
		}
		takes := "any JSON"
		if len(f.Kinds) == 1 && words[f.Kinds[0]] != "" {
			takes = words[f.Kinds[0]]
		}
		parts = append(parts, fmt.Sprintf("`%s` takes %s", f.Name, takes))
	}
	return strings.Join(parts, ", ")
}

func indent(obj rawjson.Object) string {
	var b bytes.Buffer
	if err := json.Indent(&b, obj.JSON(), "", "  "); err != nil {
		return err.Error() // examples have been checked when they were loaded
	}
	return b.String()
}

// cell escapes what a Markdown table would take for its own.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", "{{", "&#123;&#123;", "\n", " ").Replace(strings.TrimSpace(text))
}
