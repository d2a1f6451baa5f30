package rest

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/aacflow/segment-blocks/registry"
)

// markdown is a block in short: what it does, its parameters, its rules and its output.
func markdown(e registry.Entry) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# %s\n\n`%s`: %s.\n\n%s\n\n%s\n\n", e.Name, e.ID, e.Summary, strings.TrimSpace(e.Description), strings.TrimSpace(e.WhenToUse))
	b.WriteString("## Input\n\n| Parameter | Type | Description |\n| --------- | ---- | ----------- |\n")
	for _, f := range e.Input {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", f.Name, f.Type, cell(f.Description))
	}
	if len(e.Rules) > 0 {
		b.WriteString("\n## Rules\n\n")
		for _, rule := range e.Rules {
			fmt.Fprintf(&b, "- %s.\n", rule)
		}
	}
	b.WriteString("\n## Output\n\n| Member | Type | Description |\n| ------ | ---- | ----------- |\n")
	for _, f := range e.Output {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", f.Name, f.Type, cell(f.Description))
	}
	for i, x := range e.Examples {
		if i == 0 {
			b.WriteString("\n## Examples\n")
		}
		fmt.Fprintf(&b, "\n%s:\n\n```json\n%s\n```\n", x.Title, x.Input.JSON())
	}
	return b.Bytes()
}

// cell keeps a text inside its cell.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", "\n", " ").Replace(strings.TrimSpace(text))
}
