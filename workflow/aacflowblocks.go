package workflow

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/schemas"
)

// startOf returns the inputs of a start block, and the values that its form has for them.
func (x *exportReader) startOf(b *exportBlock) rawjson.Object {
	start := rawjson.Object{}
	for _, field := range rawjson.OpenArray(b.value("inputFormat")) {
		f := rawjson.OpenObject(field)
		value, _ := f.Get("value")
		text, isText := rawjson.Text(value)
		if isText && f.Text("type") != "string" && rawjson.Check([]byte(text), rawjson.Limits{}) == nil {
			value = json.RawMessage(text)
		}
		if name := f.Text("name"); name != "" {
			start = start.Set(name, orNull(value))
		}
	}
	return start
}

// native reads a block of the files that export/aacflow writes. Its form has fields for all
// operations; those of others are left out, and so is the write key, in whose place the source's is.
func (x *exportReader) native(b *exportBlock) Node {
	operation := b.text("operation")
	if operation == "" {
		operation = "track"
	}
	of := map[string]string{
		"event": "track", "integrations": "track", "groupId": "group", "previousId": "alias", "batch": "batch",
	}
	with := rawjson.Object{}
	subBlocks, _ := rawjson.At(x.export.state.JSON(), rawjson.Pointer("/blocks", b.ID)+"/subBlocks")
	for _, m := range rawjson.OpenObject(subBlocks) {
		name, value := m.Name, b.value(m.Name)
		for _, prefix := range []string{"common", operation} {
			stem := strings.TrimPrefix(name, prefix)
			if slices.Contains([]string{"UserId", "Properties", "Traits", "Name", "Category", "Context"}, stem) {
				name = strings.ToLower(stem[:1]) + stem[1:]
			}
		}
		known := []string{"userId", "properties", "traits", "name", "category", "context", "anonymousId", "timestamp"}
		if value != nil && (of[name] == operation || slices.Contains(known, name)) {
			with = with.Set(name, value)
		}
	}
	switch operation {
	case "alias":
		with = with.Without("anonymousId")
	case "batch":
		with = with.Without("anonymousId", "timestamp", "userId")
	}
	return Node{Block: "segment_" + operation, With: with.JSON()}
}

// mcp reads a block that calls a tool of an MCP server: the block of that name.
func (x *exportReader) mcp(b *exportBlock) Node {
	tool := strings.TrimPrefix(b.text("tool"), b.text("server")+"-")
	arguments := b.value("arguments")
	if text, ok := rawjson.Text(arguments); ok {
		arguments = json.RawMessage(text)
	}
	members, err := rawjson.ParseObject(arguments, rawjson.Limits{})
	if err != nil && arguments != nil {
		x.fault(b.at, "the arguments of %q cannot be read: %s", b.Name, err)
	}
	if !schemas.ValidID(tool) {
		x.fault(b.at, "%q calls no tool that could be a block here: %q", b.Name, tool)
		tool = ""
	}
	return Node{Block: tool, With: members.Without("writeKey").JSON(), Under: "structuredContent"}
}

// response reads a block that ends a run with data.
func (x *exportReader) response(b *exportBlock) Node {
	with := rawjson.Object{}
	if mode := b.text("dataMode"); mode == "structured" {
		x.fault(b.at, "the response %q has structured data: only JSON as code can be read here", b.Name)
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
	var pieces []piece
	for rest := text; ; {
		found, before, after, ok := schemas.CutReference(rest)
		if !ok {
			pieces = append(pieces, piece{literal: rest})
			break
		}
		pieces = append(pieces, piece{literal: before, value: rawjson.Quote(found)})
		rest = after
	}
	if document := joinJSON(pieces); rawjson.Check([]byte(document), rawjson.Limits{}) == nil {
		return json.RawMessage(document)
	}
	return rawjson.Quote(text)
}

// loop gives a node the list of the loop around its block.
func (x *exportReader) loop(parent *exportBlock, n *Node) {
	raw, _ := rawjson.At(x.export.state.JSON(), rawjson.Pointer("/"+parent.Type+"s", parent.ID))
	of := rawjson.OpenObject(raw)
	kind := of.Text("loopType")
	items, _ := of.Get("forEachItems")
	count, _ := of.Get("iterations")
	if parent.Type == "parallel" {
		kind = map[string]string{"count": "for", "collection": "forEach"}[of.Text("parallelType")]
		items, _ = of.Get("distribution")
		count, _ = of.Get("count")
		n.Concurrency = 20
	}
	switch kind {
	case "for":
		n.ForEach = count
	case "forEach":
		if text, ok := rawjson.Text(items); ok {
			items = quotedReferences(text)
		}
		n.ForEach = x.renamed(items)
	}
	if n.ForEach == nil {
		x.fault(parent.at, "the %s %q cannot run here: it must be over a list, or a number of times", parent.Type,
			parent.Name)
	}
	if n.Block == "" {
		x.fault(parent.at, "the %s %q has no block inside that could run", parent.Type, parent.Name)
		n.ForEach = nil
	}
}

// renamed gives the references in a template the ids of nodes.
func (x *exportReader) renamed(template json.RawMessage) json.RawMessage {
	switch rawjson.KindOf(template) {
	case rawjson.ObjectKind:
		members := rawjson.OpenObject(template)
		for i := range members {
			members[i].Value = x.renamed(members[i].Value)
		}
		return members.JSON()
	case rawjson.ArrayKind:
		elements := rawjson.OpenArray(template)
		for i := range elements {
			elements[i] = x.renamed(elements[i])
		}
		return rawjson.AppendArray(nil, elements)
	case rawjson.StringKind:
		text, _ := rawjson.Text(template)
		return rawjson.Quote(x.rename(text))
	}
	return template
}

func (x *exportReader) rename(text string) string {
	var b strings.Builder
	for {
		found, before, after, ok := schemas.CutReference(text)
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		if ref := parseReference(found); ref.variable == "" {
			found = "<" + x.head(ref.head) + strings.TrimPrefix(found, "<"+ref.head)
		}
		b.WriteString(found)
		text = after
	}
}

// head returns the node that a name in a reference is of.
func (x *exportReader) head(name string) string {
	if node, ok := x.heads[strings.ToLower(name)]; ok {
		return node
	}
	return name
}
