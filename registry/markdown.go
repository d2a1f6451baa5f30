package registry

import (
	"bytes"
	"cmp"
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"text/template"

	"github.com/aacflow/segment-blocks/internal/text"
	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/schemas"
)

//go:embed page.md.tmpl
var page string

// Markdown returns a block's page in the form of AACFlow's pages, with usage, input and output
// tables, followed by rules, examples and refusals. It ends with a line break.
func (e Entry) Markdown() string {
	required := rawjson.OpenObject(e.InputSchema).Texts("required")
	form := template.Must(template.New("page").Funcs(template.FuncMap{
		"cell": text.Cell, "describe": describe, "indent": indent, "jsonRule": jsonRule,
		"required": func(name string) bool { return slices.Contains(required, name) },
	}).Parse(page))
	var b strings.Builder
	if err := form.Execute(&b, e); err != nil {
		panic(err) // the template fits every entry
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

// describe adds what has no column in the table to a description.
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

// jsonRule says what each parameter takes that is not text.
func jsonRule(fields []schemas.Field) string {
	words := map[string]string{"object": "an object", "array": "a list", "number": "a number", "boolean": "a boolean"}
	var parts []string
	for _, f := range fields {
		if f.Type == "string" {
			continue
		}
		takes := cmp.Or(words[f.Type], "any JSON")
		if f.Type == "json" && len(f.Kinds) == 1 {
			takes = cmp.Or(words[string(f.Kinds[0])], takes)
		}
		parts = append(parts, fmt.Sprintf("`%s` takes %s", f.Name, takes))
	}
	return strings.Join(parts, ", ")
}

func indent(obj rawjson.Object) string {
	var b bytes.Buffer
	if err := json.Indent(&b, obj.JSON(), "", "  "); err != nil {
		return err.Error() // examples were checked when they were loaded
	}
	return b.String()
}
