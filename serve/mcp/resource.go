package mcp

import (
	"context"
	"slices"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/schemas"
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
	e.Input = slices.DeleteFunc(slices.Clone(e.Input), func(f schemas.Field) bool { return f.Secret })
	return e.Markdown()
}
