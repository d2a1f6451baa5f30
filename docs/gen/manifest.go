package main

import (
	"bytes"
	_ "embed"
	"text/template"

	"github.com/aacflow/segment-blocks/schemas"
)

//go:embed manifest.md.tmpl
var manifestTemplate string

// manifestPage explains each key of a manifest that the loader knows.
func manifestPage() ([]byte, error) {
	page, err := template.New("manifest.md").Funcs(template.FuncMap{"cell": cell}).Parse(manifestTemplate)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = page.Execute(&b, map[string]any{
		"Keys": schemas.Keys(), "Own": schemas.OwnKeywords(), "Keywords": schemas.Keywords(),
	})
	return b.Bytes(), err
}
