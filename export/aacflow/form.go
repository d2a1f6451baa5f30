package aacflow

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/aacflow/segment-blocks/schemas"
)

// formField is one field of the block's form. Operations whose manifests say the same of a parameter share it, so that its value
// survives a change of the operation.
type formField struct {
	schemas.Field
	// ID is unique in the form, Name is the parameter's.
	ID         string
	Operations []string
}

// page is what the templates are filled with.
type page struct {
	Integration
	Operations []operation
	Fields     []formField
	advanced   map[string]bool
}

func newPage(in Integration, ops []operation) page {
	return page{in, ops, formOf(ops), advancedIn(ops)}
}

// formOf joins the parameters of all operations into one form. Where a parameter has several fields, none of them has its bare name: a value
// under that name then never comes from the field of another operation.
func formOf(ops []operation) []formField {
	var fields []formField
	for _, op := range ops {
		for _, f := range op.Input {
			same := slices.IndexFunc(fields, func(have formField) bool { return alike(have.Field, f) })
			if same < 0 {
				fields = append(fields, formField{Field: f})
				same = len(fields) - 1
			}
			fields[same].Operations = append(fields[same].Operations, op.Name)
		}
	}
	for i, f := range fields {
		alone := !slices.ContainsFunc(fields, func(other formField) bool { return other.Name == f.Name && !alike(other.Field, f.Field) })
		switch {
		case alone:
			fields[i].ID = f.Name
		case len(f.Operations) > 1:
			fields[i].ID = "common" + upper(f.Name)
		default:
			fields[i].ID = f.Operations[0] + upper(f.Name)
		}
	}
	for i := range fields { // such a name may be that of another parameter
		for slices.ContainsFunc(fields, func(other formField) bool { return other.ID == fields[i].ID && !alike(other.Field, fields[i].Field) }) {
			fields[i].ID += "2"
		}
	}
	return ordered(fields, ops)
}

// alike tells whether one field of the form can stand for both parameters.
func alike(a, b schemas.Field) bool {
	return a.Name == b.Name && a.Type == b.Type && a.Description == b.Description && a.FilledBy == b.FilledBy &&
		a.Secret == b.Secret && bytes.Equal(a.Example, b.Example)
}

// ordered sorts the fields so that those of each operation are in the order of its manifest.
func ordered(fields []formField, ops []operation) []formField {
	before := func(a, b formField) bool { // a manifest has a ahead of b
		return slices.ContainsFunc(ops, func(op operation) bool {
			if !slices.Contains(a.Operations, op.Name) || !slices.Contains(b.Operations, op.Name) {
				return false
			}
			place := func(f formField) int {
				return slices.IndexFunc(op.Input, func(p schemas.Field) bool { return p.Name == f.Name })
			}
			return place(a) < place(b)
		})
	}
	var out []formField
	for len(fields) > 0 {
		next := slices.IndexFunc(fields, func(f formField) bool {
			return !slices.ContainsFunc(fields, func(other formField) bool { return before(other, f) })
		})
		next = max(next, 0) // manifests that contradict each other
		out = append(out, fields[next])
		fields = slices.Delete(fields, next, next+1)
	}
	return out
}

// advancedIn returns the parameters that most calls do without. Manifests list what matters first: what one of them has after its own
// data, the first JSON it takes, is advanced in all of them.
func advancedIn(ops []operation) map[string]bool {
	advanced := map[string]bool{}
	for _, op := range ops {
		data := slices.IndexFunc(op.Input, func(f schemas.Field) bool { return f.Type == "json" })
		if data < 0 {
			continue
		}
		for _, f := range op.Input[data+1:] {
			advanced[f.Name] = true
		}
	}
	return advanced
}

// SubBlocks declares the form.
func (p page) SubBlocks() list {
	options := list{}
	for _, op := range p.Operations {
		options = append(options, object{members: []member{{"label", op.Label}, {"id", op.Name}}})
	}
	form := list{object{open: true, members: []member{
		{"id", "operation"},
		{"title", "Operation"},
		{"type", "dropdown"},
		{"options", options},
		{"value", code("() => " + quote(p.Operations[0].Name))},
	}}}
	for _, f := range p.Fields {
		form = append(form, p.subBlock(f))
	}
	for _, f := range fixed() {
		form = append(form, subBlock(formField{Field: f, ID: f.Name}, true))
	}
	return form
}

func (p page) subBlock(f formField) object {
	o := subBlock(f, p.advanced[f.Name])
	if len(f.Operations) == len(p.Operations) {
		return o
	}
	var value any = texts(f.Operations)
	if len(f.Operations) == 1 {
		value = f.Operations[0]
	}
	condition := object{members: []member{{"field", "operation"}, {"value", value}}}
	o.members = append(o.members, member{"condition", condition})
	return o
}

func subBlock(f formField, advanced bool) object {
	kind := "short-input"
	if f.Type == "json" {
		kind = "long-input"
	}
	members := []member{{"id", f.ID}, {"title", title(f.Name)}, {"type", kind}}
	if f.Secret {
		members = append(members, member{"password", true})
	}
	if f.Example != nil {
		members = append(members, member{"placeholder", placeholder(f.Example)})
	}
	members = append(members, member{"description", oneLine(f.Description)}, member{"required", false})
	if f.FilledBy == "user-only" {
		members = append(members, member{"paramVisibility", "user-only"})
	}
	if advanced {
		members = append(members, member{"mode", "advanced"})
	}
	return object{members: members, open: true}
}

// placeholder returns an example as somebody would type it.
func placeholder(example json.RawMessage) string {
	var text string
	if json.Unmarshal(example, &text) == nil {
		return text
	}
	return string(example)
}

// Inputs declares the block's inputs. All are text, those that hold JSON as well: the engine would read a json input with JSON.parse,
// which rounds long numbers.
func (p page) Inputs() object {
	o := object{open: true, members: []member{
		{"operation", object{members: []member{{"type", "string"}, {"description", "Which call to make"}}}},
	}}
	fields := p.Fields
	for _, f := range fixed() {
		fields = append(fields, formField{Field: f, ID: f.Name})
	}
	for _, f := range fields {
		kind := f.Type
		if kind == "json" {
			kind = "string"
		}
		o.members = append(o.members, member{f.ID, object{members: []member{{"type", kind}, {"description", oneLine(f.Description)}}}})
	}
	return o
}

// Outputs declares what any of the operations returns, with what each says of it.
func (p page) Outputs() object {
	o := object{open: true}
	for _, op := range p.Operations {
		for _, f := range op.Output {
			if !slices.ContainsFunc(o.members, func(m member) bool { return m.name == f.Name }) {
				about := object{members: []member{{"type", f.Type}, {"description", p.outputMeaning(f.Name)}}}
				o.members = append(o.members, member{f.Name, about})
			}
		}
	}
	return o
}

func (p page) outputMeaning(name string) string {
	type meaning struct {
		text string
		by   []string
	}
	var meanings []meaning
	for _, op := range p.Operations {
		f := schemas.Find(op.Output, name)
		if f == nil {
			continue
		}
		same := slices.IndexFunc(meanings, func(m meaning) bool { return m.text == oneLine(f.Description) })
		if same < 0 {
			meanings = append(meanings, meaning{text: oneLine(f.Description)})
			same = len(meanings) - 1
		}
		meanings[same].by = append(meanings[same].by, op.Label)
	}
	if len(meanings) == 1 {
		return meanings[0].text
	}
	var parts []string
	for _, m := range meanings {
		parts = append(parts, strings.Join(m.by, ", ")+": "+m.text)
	}
	return strings.Join(parts, " ")
}

// Renamed tells what an operation's parameters are called in the form, where that is not by their name. It is nil where all are.
func (p page) Renamed(op operation) *object {
	o := &object{}
	for _, f := range p.Fields {
		if f.ID != f.Name && slices.Contains(f.Operations, op.Name) {
			o.members = append(o.members, member{f.Name, code(access("params", f.ID) + " ?? " + access("params", f.Name))})
		}
	}
	if len(o.members) == 0 {
		return nil
	}
	return o
}

// About is the long description: what the block is for, and the rules of each operation in words.
func (p page) About() string {
	parts := []string{p.Description}
	for _, op := range p.Operations {
		if len(op.Rules) > 0 {
			parts = append(parts, op.Label+": "+strings.Join(op.Rules, "; "))
		}
	}
	return sentences(parts...)
}

// First is the operation that a new block starts with.
func (p page) First() operation { return p.Operations[0] }

// Category is the host's constant for that of the blocks.
func (p page) Category() string { return access("IntegrationType", pascal(p.First().Category)) }

// Icon is the name of the icon's component, Block that of the block.
func (p page) Icon() string { return pascal(p.ID) + "Icon" }

// Block is the constant that declares the canvas block.
func (p page) Block() string { return pascal(p.ID) + "Block" }

// Type is what the names of types start with.
func (p page) Type() string { return pascal(p.ID) }

// Consts are the constants of the tools, sorted as imports are.
func (p page) Consts() []string {
	var names []string
	for _, op := range p.Operations {
		names = append(names, op.Const)
	}
	slices.Sort(names)
	return names
}

// Sorted are the operations by name.
func (p page) Sorted() []operation {
	return slices.SortedFunc(slices.Values(p.Operations), func(a, b operation) int { return strings.Compare(a.Name, b.Name) })
}

// Fixed are the parameters that no manifest has.
func (page) Fixed() []schemas.Field { return fixed() }

// Access are the ids of the tools.
func (p page) Access() list {
	ids := list{}
	for _, op := range p.Operations {
		ids = append(ids, op.ID)
	}
	return ids
}

// TagList is for the catalog.
func (p page) TagList() list { return texts(p.Tags) }
