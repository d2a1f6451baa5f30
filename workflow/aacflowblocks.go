package workflow

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/schemas"
)

// maxInputs bounds the inputs of a workflow, as the schema of files does.
const maxInputs = 1000

// startOf returns the inputs of a start block, with the values in its form as defaults.
func (e *export) startOf(b *exportBlock) rawjson.Object {
	start := rawjson.Object{}
	fields := b.list("inputFormat")
	if len(fields) > maxInputs {
		e.Fault(b.at, "the start must have at most %d inputs, it has %d", maxInputs, len(fields))
		fields = nil
	}
	for _, field := range fields {
		f := rawjson.OpenObject(field)
		value, _ := f.Get("value")
		// The form holds every value as text. A value of another type is JSON in that text.
		if f.Text("type") != "string" {
			value = unquoted(value)
		}
		if name := f.Text("name"); name != "" {
			start = start.Set(name, orNull(value))
		}
	}
	return start
}

// native reads a block of the kind that export/aacflow generates. Its form has fields for all
// operations. It leaves out the fields of other operations, and the write key, because the source
// of the run has its own.
func (e *export) native(b *exportBlock) Node {
	// An export has only what somebody has chosen. At first, the form shows Track.
	operation := cmp.Or(b.text("operation"), "track")
	// The form keeps what somebody entered for another operation. The block would refuse those
	// parameters as unknown.
	fields := strings.Fields(map[string]string{
		"track":    "event userId anonymousId properties context timestamp integrations",
		"identify": "userId anonymousId traits context timestamp",
		"page":     "userId anonymousId name category properties context timestamp",
		"screen":   "userId anonymousId name category properties context timestamp",
		"group":    "groupId userId anonymousId traits context timestamp",
		"alias":    "userId previousId context timestamp",
		"batch":    "batch context",
	}[operation])
	with := rawjson.Object{}
	for _, m := range b.SubBlocks {
		// A parameter that operations describe differently has several fields, such as
		// commonUserId.
		i := slices.IndexFunc(fields, func(field string) bool {
			stem := strings.ToUpper(field[:1]) + field[1:]
			return slices.Contains([]string{field, "common" + stem, operation + stem}, m.Name)
		})
		if value := b.value(m.Name); value != nil && i >= 0 {
			with = with.Set(fields[i], value)
		}
	}
	return Node{Block: "segment_" + operation, With: with.JSON()}
}

// mcp reads a block that calls a tool of an MCP server. The tool is the block of that name.
func (e *export) mcp(b *exportBlock) Node {
	// The form puts the id of the server in front of the name of the tool.
	tool := strings.TrimPrefix(b.text("tool"), b.text("server")+"-")
	arguments := b.value("arguments")
	if text, ok := rawjson.Text(arguments); ok {
		arguments = json.RawMessage(text)
	}
	members, err := rawjson.ParseObject(arguments, rawjson.Limits{})
	if err != nil && arguments != nil {
		e.Fault(b.at, "the arguments of %q cannot be read: %s", b.Name, err)
	}
	if !schemas.ValidID(tool) {
		e.Fault(b.at, "%q calls no tool that could be a block here: %q", b.Name, tool)
		tool = ""
	}
	// The source of the run has its own write key. Whoever has the file can read one in it.
	return Node{Block: tool, With: members.Without("writeKey").JSON(), Under: "structuredContent"}
}

// response reads a block that ends a run with data.
func (e *export) response(b *exportBlock) Node {
	with := rawjson.Object{}
	// That form is a tree of typed fields. Code can say the same in JSON.
	if mode := b.text("dataMode"); mode == "structured" {
		e.Fault(b.at, "the response %q has structured data: only JSON as code can be read here", b.Name)
	}
	if data := b.value("data"); data != nil {
		with = with.Set("data", quotedReferences(data))
	}
	if status := b.value("status"); status != nil {
		with = with.Set("status", status)
	}
	return Node{With: with.JSON()}
}

// quotedReferences makes JSON of a text in which references stand in the place of values, by
// putting them in quotes. Without success, it returns the value as it is.
func quotedReferences(raw json.RawMessage) json.RawMessage {
	text, ok := rawjson.Text(raw)
	list := pieces(text)
	for i := range list[:len(list)-1] {
		p := &list[i]
		p.value, p.ref.variable = rawjson.Quote(p.ref.text), "" // its value is the reference itself, as a text
	}
	if document := joinJSON(list); ok && rawjson.Check([]byte(document), rawjson.Limits{}) == nil {
		return json.RawMessage(document)
	}
	return raw
}

// loop reads a container, whose iterations run the blocks inside it.
func (e *export) loop(b *exportBlock) Node {
	of, n := e.state.Object(b.Type+"s").Object(b.ID), Node{With: json.RawMessage("{}"), Listed: true}
	kind, count, items := of.Text("loopType"), "iterations", "forEachItems"
	if b.Type == "parallel" {
		kind, count, items = of.Text("parallelType"), "count", "distribution"
		n.Concurrency = 20 // the number that AACFlow runs at once
	}
	switch kind {
	case "for", "count":
		n.ForEach, _ = of.Get(count)
	case "forEach", "collection":
		list, _ := of.Get(items)
		// The field holds code: a list as JSON, or a reference to a list.
		n.ForEach = quotedReferences(e.renamed(list))
	}
	if n.ForEach == nil {
		e.Fault(b.at, "the %s %q cannot run here: it must be over a list, or a number of times", b.Type, b.Name)
	}
	if len(b.children) == 0 {
		e.Fault(b.at, "the %s %q has no block inside that its start leads to", b.Type, b.Name)
	}
	return n
}
