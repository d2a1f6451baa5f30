package importer

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/aacflow/segment-blocks/internal/isotime"
	"github.com/aacflow/segment-blocks/internal/text"
	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/schemas"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

// rule sends a column to another field than its name says.
type rule struct {
	column string
	// path leads to the field: userId, or properties and price. It is empty for a column that is
	// omitted.
	path []string
	kind string // one of kinds
}

// parseRule reads an element of [Options].Map.
func parseRule(text string) (rule, error) {
	at := strings.LastIndex(text, "=") // names of columns may have one, and fields have none
	if at <= 0 {
		return rule{}, fmt.Errorf("--map must be column=field, such as price=properties.price:number: %q", text)
	}
	column, field := text[:at], text[at+1:]
	if field == "" {
		return rule{column: column}, nil
	}
	field, kind, typed := strings.Cut(field, ":")
	if !typed {
		kind = "text"
	}
	// Faults are found here, before any file is opened, and not in each row.
	r := rule{column, strings.Split(field, "."), kind}
	head, object := r.path[0], slices.Contains(objects(), r.path[0])
	switch {
	case !slices.Contains(kinds(), kind):
		return rule{}, fmt.Errorf("--map must name a kind of value after the colon, one of %s: %q",
			strings.Join(kinds(), ", "), text)
	case slices.Contains(r.path, ""):
		return rule{}, fmt.Errorf("--map must not have a field with an empty part: %q", text)
	case object && len(r.path) == 1 && kind != "json":
		return rule{}, fmt.Errorf("--map must make %[1]s an object, with %[1]s:json, or name a part of it,"+
			" such as %[1]s.name: %[2]q", head, text)
	case object:
	case !slices.Contains(texts(), head):
		return rule{}, fmt.Errorf("--map must name a field of a message, and %q is none%s",
			head, schemas.DidYouMean(head, append(texts(), objects()...)))
	case len(r.path) > 1:
		return rule{}, fmt.Errorf("--map must not name a part of %s, which is text: %q", head, text)
	case head == "timestamp" && kind == "time": // it is one anyway
		r.kind = "text"
	case kind != "text":
		return rule{}, fmt.Errorf("--map must not make %s a %s, because it is text: %q", head, kind, text)
	}
	return r, nil
}

func kinds() []string { return []string{"text", "number", "boolean", "time", "json"} }

// objects returns the fields of a message that are objects.
func objects() []string { return []string{"properties", "traits", "context", "integrations"} }

// texts returns the fields of a message that are text.
func texts() []string {
	return []string{
		"type", "messageId", "userId", "anonymousId", "previousId", "groupId", "event", "name", "category", "timestamp",
	}
}

// takes tells whether messages of a type have a text field of this name. An unknown type has them
// all, so that the type is the only fault of the message.
func takes(t tracking.Type, field string) bool {
	return slices.Contains(texts(), field) && (t.Has(field) || !t.Valid())
}

// container returns the object that columns without a field of their own go to, "" for none. It is
// where Segment's destinations look: the column plan is a trait of an identify, and a property of a
// track.
func container(t tracking.Type) string {
	switch {
	case t.Has("traits"):
		return "traits"
	case t.Has("properties"), !t.Valid():
		return "properties"
	}
	return ""
}

// mapping makes messages of the rows of a CSV file.
type mapping struct {
	header []string
	rules  []*rule       // by column, nil for those that go by their names
	typ    tracking.Type // of rows without one
	plans  map[tracking.Type]*node
	typeAt int // the column of the type, or -1
	times  times
	buf    []byte // the last message
}

// maxColumns is more than databases have, and than properties that Segment keeps of an event. Each
// row costs time for each column, and each name is compared with all others.
const maxColumns = 10_000

// newMapping maps every column of a header. It refuses headers that are hardly meant: a single
// column with another separator in its name, a name twice, or no column for a person.
func newMapping(header []string, rules []rule, t tracking.Type) (*mapping, error) {
	if len(header) > maxColumns {
		return nil, fmt.Errorf("a file must have at most %s columns: %d", text.Grouped(maxColumns), len(header))
	}
	m := &mapping{rules: make([]*rule, len(header)), typ: t, plans: map[tracking.Type]*node{}, typeAt: -1}
	for _, name := range header {
		name = strings.TrimSpace(name)
		if name != "" && slices.Contains(m.header, name) {
			return nil, fmt.Errorf("two columns have the same name: %q", name)
		}
		m.header = append(m.header, name)
	}
	all := text.Clip(strings.Join(m.header, ", "), 1000)
	for _, r := range rules {
		i := slices.Index(m.header, r.column)
		if i < 0 {
			return nil, fmt.Errorf("--map names a column that is not in the file: %q%s; the columns are %s",
				r.column, schemas.DidYouMean(r.column, m.header), all)
		}
		if m.rules[i] != nil {
			return nil, fmt.Errorf("--map names a column twice: %q", r.column)
		}
		m.rules[i] = &r
	}
	if i := strings.IndexAny(all, ";\t|,"); i >= 0 && len(m.header) == 1 && len(rules) == 0 {
		return nil, fmt.Errorf("the only column is %q; if another character separates the columns,"+
			" name it with --delimiter %q", all, rune(all[i]))
	}
	person := false
	for i, name := range m.header {
		parts := strings.Split(name, ".")
		if m.rules[i] == nil && slices.Contains(objects(), parts[0]) && slices.Contains(parts, "") {
			return nil, fmt.Errorf("a column must not name an empty part of %s;"+
				" send it to another field, or omit it, with --map: %q", parts[0], name)
		}
		switch path, _ := m.field(i, t); strings.Join(path, ".") {
		case "userId", "anonymousId":
			person = true
		case "type":
			m.typeAt = i
		}
	}
	if t == "" && m.typeAt < 0 {
		return nil, errors.New("the rows have no type: set it, such as --type track," +
			" or map the column that has it, such as --map kind=type")
	}
	if !person {
		return nil, fmt.Errorf("no column has the person of a row: map one to userId or anonymousId,"+
			" such as --map %s=userId; the columns are %s", cmp.Or(append(slices.Clone(m.header), "COLUMN")...), all)
	}
	_, err := m.plan(t)
	return m, err
}

// field returns where a column goes in messages of a type. The path is empty if it is omitted.
func (m *mapping) field(i int, t tracking.Type) (path []string, kind string) {
	if r := m.rules[i]; r != nil {
		return r.path, r.kind
	}
	name := m.header[i]
	parts := strings.Split(name, ".")
	switch {
	case name == "":
		return nil, ""
	case takes(t, name):
		return []string{name}, "text"
	case len(parts) > 1 && slices.Contains(objects(), parts[0]) && !slices.Contains(parts, ""):
		return parts, "text"
	case container(t) == "":
		return nil, ""
	}
	return []string{container(t), name}, "text"
}

// columns tells what becomes of each column, in the order of the file.
func (m *mapping) columns() []Column {
	var out []Column
	for i, name := range m.header {
		path, kind := m.field(i, m.typ)
		c := Column{name, strings.Join(path, "."), kind}
		byName := m.rules[i] == nil && !strings.Contains(name, ".")
		if m.typeAt >= 0 && byName && len(path) == 2 && path[0] == "properties" {
			c.Field += ", or traits." + name // as the type of the row has it
		}
		out = append(out, c)
	}
	return out
}

// node is an object in the messages that rows become, or a field, which has no members. The columns
// of an object may stand anywhere in a row, so a message is written from a tree of nodes.
type node struct {
	name    string
	pointer string // from the message
	members []*node
	column  int // of the value of a field
	kind    string
}

// plan returns the tree of messages of a type. Each row may have its own type, so plan makes a tree
// when it first sees a type. All unknown types have the same.
func (m *mapping) plan(t tracking.Type) (*node, error) {
	if !t.Valid() {
		t = ""
	}
	if p, ok := m.plans[t]; ok {
		return p, nil
	}
	message := &node{}
	for i := range m.header {
		path, kind := m.field(i, t)
		if len(path) == 0 || len(path) == 1 && path[0] == "type" {
			continue // omitted, or written before the tree
		}
		n := message
		for depth, name := range path {
			at := slices.IndexFunc(n.members, func(n *node) bool { return n.name == name })
			if at < 0 {
				at = len(n.members)
				n.members = append(n.members, &node{name: name, pointer: rawjson.Pointer(n.pointer, name)})
			} else if depth == len(path)-1 || n.members[at].members == nil {
				return nil, fmt.Errorf("two columns become the same field, or one a part of the other: %s, %q",
					strings.Join(path, "."), m.header[i])
			}
			n = n.members[at]
		}
		n.column, n.kind = i, kind
	}
	m.plans[t] = message
	return message, nil
}

// message returns a row as a message, valid until the next call. It writes JSON straight into a
// buffer, because rows come by the million. It returns a message also for a row that does not fit
// the columns, or has faults in its cells, for people to correct in the file of rejects.
func (m *mapping) message(raw []byte, cells []string) (_ []byte, faults []schemas.Violation) {
	switch {
	case bytes.IndexByte(raw, 0) >= 0:
		return nil, fault(CodeCSV, "must be text, and has a NUL byte")
	case !utf8.Valid(raw):
		return nil, fault("invalid_utf8", "must be valid UTF-8")
	}
	if len(cells) != len(m.header) {
		faults = fault(CodeCSV, "must have as many fields as the header has columns, %d: %d", len(m.header), len(cells))
		cells = append(cells, make([]string, max(0, len(m.header)-len(cells)))...)
	}
	t := m.typ
	if m.typeAt >= 0 {
		if cell := strings.TrimSpace(cells[m.typeAt]); cell != "" {
			t = tracking.Type(cell)
		}
	}
	plan, err := m.plan(t)
	if err != nil {
		return nil, fault(CodeCSV, "%s", err)
	}
	m.buf = append(m.buf[:0], '{')
	if t != "" {
		m.buf = rawjson.AppendText(append(m.buf, `"type":`...), string(t))
	}
	faults = m.members(plan, cells, faults)
	m.buf = append(m.buf, '}')
	return m.buf, faults
}

// members appends the members of an object, except for empty cells and for objects that have only
// those. It appends a cell of the wrong kind as text, with a fault, so that people can correct it.
func (m *mapping) members(of *node, cells []string, faults []schemas.Violation) []schemas.Violation {
	for _, n := range of.members {
		before := len(m.buf)
		switch {
		case n.members != nil:
			m.name(n.name)
			m.buf = append(m.buf, '{')
			begin := len(m.buf)
			if faults = m.members(n, cells, faults); len(m.buf) == begin {
				m.buf = m.buf[:before]
			} else {
				m.buf = append(m.buf, '}')
			}
		case cells[n.column] != "":
			m.name(n.name)
			out, fault := m.appendCell(cells[n.column], n.kind)
			if fault != "" {
				out = rawjson.AppendText(m.buf, cells[n.column])
				message := fmt.Sprintf("%s: %q", fault, text.Clip(cells[n.column], 60))
				faults = append(faults, schemas.Violation{Path: n.pointer, Code: CodeWrongValue, Message: message})
			}
			m.buf = out
		}
	}
	return faults
}

// name appends the name of a member, after a comma if it is not the first.
func (m *mapping) name(name string) {
	if m.buf[len(m.buf)-1] != '{' {
		m.buf = append(m.buf, ',')
	}
	m.buf = append(rawjson.AppendText(m.buf, name), ':')
}

// appendCell appends a cell as JSON, or says what the cell must be.
func (m *mapping) appendCell(cell, kind string) (out []byte, fault string) {
	value := strings.TrimSpace(cell)
	switch kind {
	case "text":
		return rawjson.AppendText(m.buf, cell), ""
	case "time":
		at, err := m.times.read(value)
		if err != nil {
			return nil, err.Error()
		}
		return rawjson.AppendText(m.buf, isotime.Format(at)), ""
	case "boolean":
		value = strings.ToLower(value)
		if value != "true" && value != "false" {
			return nil, "must be true or false"
		}
		return append(m.buf, value...), ""
	}
	err := rawjson.Check([]byte(value), limits())
	switch {
	case kind == "number" && (err != nil || rawjson.KindOf([]byte(value)) != rawjson.NumberKind):
		return nil, "must be a number as in JSON"
	case err != nil:
		return nil, err.Error()
	}
	return append(m.buf, oneLine([]byte(value))...), ""
}
