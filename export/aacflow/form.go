package aacflow

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/schemas"
)

// page is the data of the templates that concern all operations.
type page struct {
	Integration
	Engine     Engine
	Registry   string // the file that lists the fork's blocks
	Category   string // the host's constant for the category of the first operation
	Operations []operation
	Fields     []formField
}

func newPage(reg *registry.Registry, in Integration, engine Engine) (page, error) {
	if !slices.Contains(Engines(), engine) {
		return page{}, fmt.Errorf("the engine must be one of %q: %q", Engines(), string(engine))
	}
	ops, err := operationsOf(reg, in)
	if err != nil {
		return page{}, err
	}
	p := page{Integration: in, Engine: engine, Operations: ops, Fields: formOf(ops)}
	if p.Registry = "blocks/registry.ts"; engine == Sim08 {
		p.Registry = maps
	}
	for i, f := range p.Fields {
		p.Fields[i].Advanced = isAdvanced(ops, f.Name)
		p.Fields[i].everywhere = len(f.Operations) == len(ops)
	}
	for _, f := range fixed() {
		p.Fields = append(p.Fields, formField{Field: f, ID: f.Name, Advanced: true, everywhere: true})
	}
	const categories = "AI Analytics Commerce Communication Databases DevOps Documents Email HR Marketing " +
		"Observability Productivity Sales Search Security Support"
	for constant := range strings.FieldsSeq(categories) {
		if strings.EqualFold(constant, p.First().Category) {
			p.Category = constant
		}
	}
	if p.Categorised() && p.Category == "" { // with another, the block would not compile
		return page{}, fmt.Errorf("the category of %s must be one of the host's: %s: %q",
			p.First().ID, strings.ToLower(categories), p.First().Category)
	}
	return p, nil
}

// formField is a field of the block's form. Operations whose manifests describe a parameter in the
// same way share its field, so its value survives a change of the operation.
type formField struct {
	schemas.Field
	// ID is unique in the form. Name is the name of the parameter.
	ID         string
	Operations []string
	// Advanced fields are collapsed.
	Advanced   bool
	everywhere bool
}

// formOf joins the parameters of all operations into one form, in the order of the manifests. If a
// parameter has several fields, none has its bare name as its id. So a value under that name never
// comes from the field of another operation.
func formOf(ops []operation) []formField {
	var form []formField
	for _, op := range ops {
		at := len(form) // a new field goes before the next field that the form already has
		for _, f := range slices.Backward(op.Input) {
			same := slices.IndexFunc(form, func(have formField) bool { return alike(have.Field, f) })
			if same >= 0 {
				at = same
			} else {
				form = slices.Insert(form, at, formField{Field: f})
			}
			form[at].Operations = append(form[at].Operations, op.Name)
		}
	}
	named := map[string]int{}
	for _, f := range form {
		named[f.Name]++
	}
	for i, f := range form {
		form[i].ID = f.Name
		if named[f.Name] == 1 {
			continue
		}
		id := f.Operations[0] + upper(f.Name)
		if len(f.Operations) > 1 {
			id = "common" + upper(f.Name)
		}
		for named[id] > 0 { // another parameter may have the id as its name
			id += "2"
		}
		named[id]++
		form[i].ID = id
	}
	return form
}

// alike reports whether one field of the form can stand for both parameters.
func alike(a, b schemas.Field) bool {
	return a.Name == b.Name && a.Type == b.Type && a.Description == b.Description && a.FilledBy == b.FilledBy &&
		a.Secret == b.Secret && a.Hint == b.Hint && bytes.Equal(a.Example, b.Example)
}

// isAdvanced reports whether most calls do without a parameter. Manifests list what matters first.
// So a parameter that follows the first JSON parameter in one of them is advanced in all.
func isAdvanced(ops []operation, name string) bool {
	return slices.ContainsFunc(ops, func(op operation) bool {
		data := slices.IndexFunc(op.Input, func(f schemas.Field) bool { return f.Type == "json" })
		return data >= 0 && schemas.Find(op.Input[data+1:], name) != nil
	})
}

// placeholder returns an example as a person would type it.
func placeholder(example json.RawMessage) string {
	if text, ok := rawjson.Text(example); ok {
		return text
	}
	return string(example)
}

// Wand returns the instructions for the host's assistant to fill in the field, or "" if it should
// not.
func (f formField) Wand() string {
	if f.Hint == "" {
		return ""
	}
	kind, form := "", "value"
	switch {
	case f.Format == "date-time":
		kind, form = "timestamp", "timestamp"
	case slices.Contains(f.Kinds, rawjson.ArrayKind):
		form = "JSON array"
	case f.Type == "json":
		kind, form = "json-object", "JSON object"
	}
	members := []string{
		"enabled: true", prose(8, "prompt", sentences(f.Hint, "Return ONLY the "+form+", without an explanation")),
	}
	if kind != "" {
		members = append(members, "generationType: "+quote(kind))
	}
	return object(6, "wandConfig: ", members...)
}

// Condition returns for which operations the form shows the field, or "" for all.
func (f formField) Condition() string {
	if f.everywhere {
		return ""
	}
	value := quote(f.Operations[0])
	if len(f.Operations) > 1 {
		value = array(f.Operations)
	}
	return object(6, "condition: ", "field: 'operation'", "value: "+value)
}

// Declaration declares the field as an input of the block. All inputs are text, even those that
// hold JSON: the engine would read a json input with JSON.parse, which rounds long numbers.
func (f formField) Declaration() string {
	kind := strings.Replace(f.Type, "json", "string", 1)
	return declaration(f.ID, schemas.Field{Type: kind, Description: f.Description})
}

// Outputs returns the outputs of all operations. If operations describe one differently, its
// description says what each of them does.
func (p page) Outputs() []schemas.Field {
	var outputs []schemas.Field
	for _, op := range p.Operations {
		for _, f := range op.Output {
			if schemas.Find(outputs, f.Name) == nil {
				outputs = append(outputs, schemas.Field{Name: f.Name, Type: f.Type, Description: p.describe(f.Name)})
			}
		}
	}
	return outputs
}

func (p page) describe(output string) string {
	var texts []string
	by := map[string][]string{}
	for _, op := range p.Operations {
		if f := schemas.Find(op.Output, output); f != nil {
			text := oneLine(f.Description)
			if by[text] == nil {
				texts = append(texts, text)
			}
			by[text] = append(by[text], op.Label)
		}
	}
	if len(texts) > 1 {
		for i, text := range texts {
			texts[i] = strings.Join(by[text], ", ") + ": " + text
		}
	}
	return strings.Join(texts, " ")
}

// Renamed returns the object with an operation's parameters whose fields have other names, or "" if
// there are none.
func (p page) Renamed(op operation) string {
	var members []string
	for _, f := range p.Fields {
		if f.ID != f.Name && slices.Contains(f.Operations, op.Name) {
			members = append(members, key(f.Name)+": "+access("params", f.ID)+" ?? "+access("params", f.Name))
		}
	}
	if len(members) == 0 {
		return ""
	}
	return object(12, "return ", members...)
}

// Catalogued reports whether the fork has catalog entries for blocks, with templates and skills,
// and sentences on its cards.
func (p page) Catalogued() bool { return p.Engine == Sim08 }

// Categorised reports whether the fork has categories of integrations.
func (p page) Categorised() bool { return p.Engine != Sim202602 }

// Sentence returns the sentence of an operation as the elements of an array. A core clause is shown
// even while its field is empty.
func (p page) Sentence(op operation) []string {
	var clauses []string
	for _, c := range op.Sentence {
		if c.Fields == nil {
			clauses = append(clauses, quote(c.Text))
			continue
		}
		var ids []string
		for _, name := range c.Fields {
			for _, f := range p.Fields {
				if f.Name == name && slices.Contains(f.Operations, op.Name) {
					ids = append(ids, f.ID)
				}
			}
		}
		field := "field: " + array(ids)
		if len(ids) == 1 {
			field = "field: " + quote(ids[0])
		}
		members := []string{"text: " + quote(c.Text), field}
		if !c.Optional {
			members = append(members, "core: true")
		}
		clauses = append(clauses, object(10, "", members...))
	}
	return clauses
}

// First returns the operation that a new block starts with.
func (p page) First() operation { return p.Operations[0] }

// Tile returns the color of the block's tile.
func (p page) Tile() string { return cmp.Or(p.First().Color, "#334155") }

// Type returns what the names of the types, the block and the icon start with.
func (p page) Type() string { return pascal(p.ID) }

// Sorted returns the operations by name, as imports are sorted.
func (p page) Sorted() []operation {
	return slices.SortedFunc(
		slices.Values(p.Operations), func(a, b operation) int { return strings.Compare(a.Name, b.Name) },
	)
}
