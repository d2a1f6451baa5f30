package rest

import (
	"context"
	_ "embed"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/schemas"
)

// openAPI is the description without the blocks. Tests compare its schemas with real answers.
//
//go:embed openapi.json
var openAPI string

// openAPIBlock is what each block adds to the description. BLOCK stands for its id.
//
//go:embed openapi-block.json
var openAPIBlock string

// OpenAPI returns the OpenAPI 3.1 description of the API for the blocks of a registry.
//
// Each block has operations of its own, so that a generated client has a function with types for
// each block, where one operation for all blocks would leave it with a choice among all inputs. The
// input schemas require what those of the manifests require, written as generators understand it.
// They are the strict form. What the runtime accepts beyond it (json parameters given as text, ""
// and null for absent) is described in words, and examples that use it are left out.
func OpenAPI(reg *registry.Registry, version string) json.RawMessage {
	text := strings.ReplaceAll(openAPI, `"$version"`, string(rawjson.Quote(version)))
	doc := rawjson.OpenObject(json.RawMessage(text))
	paths, components := doc.Object("paths"), doc.Object("components")
	types, bodies := components.Object("schemas"), components.Object("requestBodies")
	for _, b := range reg.All() {
		m, e := b.Manifest(), reg.Entry(b)
		path, description := m.ID, m.Description
		if e.Older() {
			path = m.Ref()
		}
		if notice := m.Notice(); notice != "" {
			description = "Deprecated: " + notice + "\n\n" + description
		}
		added := rawjson.OpenObject(json.RawMessage(strings.NewReplacer(
			"/v1/blocks/BLOCK/", "/v1/blocks/"+path+"/",
			"BLOCK", e.Unique(),
			`"$deprecated"`, strconv.FormatBool(m.Deprecated != ""),
			`"$summary"`, string(rawjson.Quote(m.Summary)),
			`"$description"`, string(rawjson.Quote(description)),
			`"$input"`, string(typed(m.Input.JSON())),
			`"$output"`, string(m.Output.JSON()),
			`"$withoutNulls"`, string(schemas.NullsOptional(m.Output.JSON())),
			`"$examples"`, string(encode(examplesOf(m))),
		).Replace(openAPIBlock)))
		paths = append(paths, added.Object("paths")...)
		types = append(types, added.Object("schemas")...)
		bodies = append(bodies, added.Object("requestBodies")...)
	}
	components = components.Set("schemas", types.JSON()).Set("requestBodies", bodies.JSON())
	return doc.Set("paths", paths.JSON()).Set("components", components.JSON()).JSON()
}

// examplesOf returns the examples of the manifest that match the strict schema.
func examplesOf(m *schemas.Manifest) map[string]any {
	examples := map[string]any{}
	for i, x := range m.Examples {
		if len(m.Input.Validate(context.Background(), x.Input)) == 0 {
			body := map[string]any{"input": x.Input}
			examples["example"+strconv.Itoa(i+1)] = map[string]any{"summary": x.Title, "value": body}
		}
	}
	return examples
}

func (h *Handler) openapi(w http.ResponseWriter, r *http.Request) *Problem {
	writeCached(w, r, typeJSON, OpenAPI(h.registry, h.cfg.Version))
	return nil
}
