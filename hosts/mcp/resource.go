package mcp

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/registry"
)

// resource returns the page of a block and what reads it.
func resource(e registry.Entry) (*sdk.Resource, sdk.ResourceHandler) {
	text := page(e)
	r := &sdk.Resource{
		URI: "segment-blocks://blocks/" + e.ID, Name: e.ID, Title: e.Name,
		Description: e.Summary + ": parameters, rules, examples and what is refused.", MIMEType: "text/markdown", Size: int64(len(text)),
	}
	return r, func(context.Context, *sdk.ReadResourceRequest) (*sdk.ReadResourceResult, error) {
		return &sdk.ReadResourceResult{Contents: []*sdk.ResourceContents{{URI: r.URI, MIMEType: r.MIMEType, Text: text}}}, nil
	}
}

// page is what a model should know of a block before it calls it. Credentials are not its to fill in and are left out.
func page(e registry.Entry) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n%s.\n\n%s\n\n%s\n\n## Input\n\n", e.Name, e.Summary, strings.TrimSpace(e.Description), strings.TrimSpace(e.WhenToUse))
	for _, f := range e.Input {
		if !f.Secret {
			fmt.Fprintf(&b, "- `%s` (%s): %s\n", f.Name, f.Type, f.Description)
		}
	}
	b.WriteString("\n## Rules\n\n")
	for _, rule := range e.Rules {
		fmt.Fprintf(&b, "- %s.\n", rule)
	}
	b.WriteString("- A json parameter takes JSON, or a text that holds it. Empty text and null count as not given.\n\n## Output\n\n")
	for _, f := range e.Output {
		fmt.Fprintf(&b, "- `%s` (%s): %s\n", f.Name, f.Type, f.Description)
	}
	b.WriteString("\n## Examples\n\n")
	for _, x := range e.Examples {
		fmt.Fprintf(&b, "%s:\n\n```json\n%s\n```\n\n", x.Title, indent(x.Input))
	}
	b.WriteString("## Refused\n\n")
	for _, x := range e.Refused {
		var codes []string
		for _, v := range x.Violations {
			codes = append(codes, strings.TrimSpace(v.Path+" "+v.Code))
		}
		fmt.Fprintf(&b, "%s (%s):\n\n```json\n%s\n```\n\n", x.Title, strings.Join(codes, ", "), indent(x.Input))
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

func indent(o rawjson.Object) string {
	var b bytes.Buffer
	if err := json.Indent(&b, o.JSON(), "", "  "); err != nil {
		return string(o.JSON())
	}
	return b.String()
}
