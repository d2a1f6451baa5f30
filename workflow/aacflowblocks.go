package workflow

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/schemas"
)

// maxInputs bounds the inputs of a workflow, as the schema of files does.
const maxInputs = 1000

// startOf returns the inputs of a start block, and the values that its form has for them.
func (e *export) startOf(b *exportBlock) rawjson.Object {
	start := rawjson.Object{}
	fields := b.list("inputFormat")
	if len(fields) > maxInputs {
		e.fault(b.at, "the start must have at most %d inputs, it has %d", maxInputs, len(fields))
		fields = nil
	}
	for _, field := range fields {
		f := rawjson.OpenObject(field)
		value, _ := f.Get("value")
		// The form holds every value as text. One that is meant to be something else is JSON in it.
		if f.Text("type") != "string" {
			value = unquoted(value)
		}
		if name := f.Text("name"); name != "" {
			start = start.Set(name, orNull(value))
		}
	}
	return start
}

// native reads a block of the files that export/aacflow writes. Its form has fields for all
// operations; those of others are left out, and so is the write key, in whose place the source's
// is.
func (e *export) native(b *exportBlock) Node {
	// An export has only what somebody has chosen. Track is what the form shows at first.
	operation := b.text("operation")
	if operation == "" {
		operation = "track"
	}
	// The form keeps what somebody entered for another operation. It would be refused as unknown.
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
		// A parameter that operations describe differently has fields such as commonUserId.
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

// mcp reads a block that calls a tool of an MCP server: the block of that name.
func (e *export) mcp(b *exportBlock) Node {
	// The form keeps the id of the server in front of the name of the tool.
	tool := strings.TrimPrefix(b.text("tool"), b.text("server")+"-")
	arguments := b.value("arguments")
	if text, ok := rawjson.Text(arguments); ok {
		arguments = json.RawMessage(text)
	}
	members, err := rawjson.ParseObject(arguments, rawjson.Limits{})
	if err != nil && arguments != nil {
		e.fault(b.at, "the arguments of %q cannot be read: %s", b.Name, err)
	}
	if !schemas.ValidID(tool) {
		e.fault(b.at, "%q calls no tool that could be a block here: %q", b.Name, tool)
		tool = ""
	}
	// The source of the run has a key. One in a file would be known to everybody who has the file.
	return Node{Block: tool, With: members.Without("writeKey").JSON(), Under: "structuredContent"}
}

// response reads a block that ends a run with data.
func (e *export) response(b *exportBlock) Node {
	with := rawjson.Object{}
	// That form is a tree of fields with types of their own, and code says the same in JSON.
	if mode := b.text("dataMode"); mode == "structured" {
		e.fault(b.at, "the response %q has structured data: only JSON as code can be read here", b.Name)
	}
	if data := b.value("data"); data != nil {
		if text, ok := rawjson.Text(data); ok {
			data = quotedReferences(text)
		}
		with = with.Set("data", data)
	}
	if status := b.value("status"); status != nil {
		with = with.Set("status", status)
	}
	return Node{With: with.JSON()}
}

// quotedReferences makes JSON of a text in which references stand where values do, or leaves it a
// text.
func quotedReferences(text string) json.RawMessage {
	list := pieces(text)
	for i := range list[:len(list)-1] {
		p := &list[i]
		p.value, p.ref.variable = rawjson.Quote(p.ref.text), "" // it stands for itself, as a text
	}
	if document := joinJSON(list); rawjson.Check([]byte(document), rawjson.Limits{}) == nil {
		return json.RawMessage(document)
	}
	return rawjson.Quote(text)
}

// loop reads the container around other blocks. Each iteration runs those.
func (e *export) loop(b *exportBlock) Node {
	of, n := e.state.Object(b.Type+"s").Object(b.ID), Node{With: json.RawMessage("{}"), Listed: true}
	kind, count, items := of.Text("loopType"), "iterations", "forEachItems"
	if b.Type == "parallel" {
		kind, count, items = of.Text("parallelType"), "count", "distribution"
		n.Concurrency = 20 // as many as AACFlow runs at once
	}
	switch kind {
	case "for", "count":
		n.ForEach, _ = of.Get(count)
	case "forEach", "collection":
		list, _ := of.Get(items)
		// The field holds code: a list as JSON, or a reference to one.
		if text, ok := rawjson.Text(list); ok {
			list = quotedReferences(text)
		}
		n.ForEach = e.renamed(list)
	}
	if n.ForEach == nil {
		e.fault(b.at, "the %s %q cannot run here: it must be over a list, or a number of times", b.Type, b.Name)
	}
	if len(b.children) == 0 {
		e.fault(b.at, "the %s %q has no block inside that its start leads to", b.Type, b.Name)
	}
	return n
}
