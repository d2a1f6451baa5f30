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

// rule sends a column somewhere else than its name says.
type rule struct {
	column string
	// path leads to the field: userId, or properties and price. It is empty for a column that is
	// left out.
	path []string
	kind string // what the value becomes: one of kinds
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
	// What is wrong is said here, before any file is opened, and not for each row.
	r := rule{column, strings.Split(field, "."), kind}
	head, object := r.path[0], slices.Contains(objects(), r.path[0])
	switch {
	case !slices.Contains(kinds(), kind):
		return rule{}, fmt.Errorf("--map must name a kind of value after the colon, one of %s: %q",
			strings.Join(kinds(), ", "), text)
	case slices.Contains(r.path, ""):
		return rule{}, fmt.Errorf("--map has a field with a part that is empty: %q", text)
	case object && len(r.path) == 1 && kind != "json":
		return rule{}, fmt.Errorf("--map can fill all of %[1]s only with an object, as %[1]s:json,"+
			" or a part of it, as %[1]s.name: %[2]q", head, text)
	case object:
	case !slices.Contains(texts(), head):
		return rule{}, fmt.Errorf("--map must name a field of a message, and %q is none%s",
			head, schemas.DidYouMean(head, append(texts(), objects()...)))
	case len(r.path) > 1:
		return rule{}, fmt.Errorf("--map names a part of %s, which is a text: %q", head, text)
	case head == "timestamp" && kind == "time": // which it is in any case
		r.kind = "text"
	case kind != "text":
		return rule{}, fmt.Errorf("--map makes %s a %s, and it must be a text: %q", head, kind, text)
	}
	return r, nil
}

func kinds() []string { return []string{"text", "number", "boolean", "time", "json"} }

// objects are the fields of a message that hold others.
func objects() []string { return []string{"properties", "traits", "context", "integrations"} }

// texts are the fields that are texts, in the order in which they are written.
func texts() []string {
	return []string{
		"type", "messageId", "userId", "anonymousId", "previousId", "groupId", "event", "name", "category", "timestamp",
	}
}

// takes tells whether messages of a type have a text of this name. An unknown type has them all, so
// that what is wrong with the message is its type alone.
func takes(t tracking.Type, field string) bool {
	return slices.Contains(texts(), field) && (t.Has(field) || !t.Valid())
}

// container is where messages of a type keep what has no field of its own, "" for nowhere. It is
// where Segment's destinations look: a column plan of an identify is a trait of the person, and of
// a track a property of what happened.
func container(t tracking.Type) string {
	switch {
	case t.Has("traits"):
		return "traits"
	case t.Has("properties"), !t.Valid():
		return "properties"
	}
	return ""
}

// mapping says which column of a CSV file becomes what, and makes messages of its rows.
type mapping struct {
	header []string
	rules  []*rule       // of the columns, nil for those that their names map
	typ    tracking.Type // of rows that do not name one
	plans  map[tracking.Type]*node
	typeAt int // the column that holds the type, or -1
	times  times
	buf    []byte // of the last message
}

// Column is what becomes of one column of a CSV file.
type Column struct {
	Name string `json:"column"`
	// Field is such as userId or properties.price, "" for a column that is left out.
	Field string `json:"field"`
	// Kind is text, number, boolean, time or json.
	Kind string `json:"kind,omitempty"`
}

// newMapping decides for every column of a header. It refuses what would make messages that nobody
// meant: one column for several, a name twice, or rows about nobody.
func newMapping(header []string, rules []rule, t tracking.Type) (*mapping, error) {
	m := &mapping{rules: make([]*rule, len(header)), typ: t, plans: map[tracking.Type]*node{}, typeAt: -1}
	for _, name := range header {
		name = strings.TrimSpace(name)
		if name != "" && slices.Contains(m.header, name) {
			return nil, fmt.Errorf("two columns have the same name: %q", name)
		}
		m.header = append(m.header, name)
	}
	all := strings.Join(m.header, ", ")
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
		return nil, fmt.Errorf("the only column is %q, and another character may stand between the columns;"+
			" name it with --delimiter %q", all, rune(all[i]))
	}
	person := false
	for i, name := range m.header {
		parts := strings.Split(name, ".")
		if m.rules[i] == nil && slices.Contains(objects(), parts[0]) && slices.Contains(parts, "") {
			return nil, fmt.Errorf("a column names a part of %s that is empty;"+
				" --map sends it elsewhere, or leaves it out: %q", parts[0], name)
		}
		switch path, _ := m.field(i, t); strings.Join(path, ".") {
		case "userId", "anonymousId":
			person = true
		case "type":
			m.typeAt = i
		}
	}
	if t == "" && m.typeAt < 0 {
		return nil, errors.New("nothing says what the rows are: name --type, such as --type track," +
			" or the column that holds it, such as --map kind=type")
	}
	if !person {
		return nil, fmt.Errorf("no column says whose event a row is: map one to userId or anonymousId,"+
			" such as --map %s=userId; the columns are %s", cmp.Or(append(slices.Clone(m.header), "COLUMN")...), all)
	}
	_, err := m.plan(t)
	return m, err
}

// field returns where a column goes in messages of a type; nowhere where the path is empty.
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

// node is an object of the messages that rows become, or a field of one, which has no members. The
// columns of one object may stand anywhere in a row, and a tree of them is written from left to
// right.
type node struct {
	name    string
	pointer string // from the message
	members []*node
	column  int // that a field has its value from
	kind    string
}

// plan returns what messages of a type are made of. A row may have any type, so plans are made as
// types come.
func (m *mapping) plan(t tracking.Type) (*node, error) {
	if p, ok := m.plans[t]; ok {
		return p, nil
	}
	message := &node{}
	for i := range m.header {
		path, kind := m.field(i, t)
		if len(path) == 0 || len(path) == 1 && path[0] == "type" {
			continue // it is not sent, or written first
		}
		n := message
		for depth, name := range path {
			at := slices.IndexFunc(n.members, func(n *node) bool { return n.name == name })
			if at < 0 {
				at = len(n.members)
				n.members = append(n.members, &node{name: name, pointer: rawjson.Pointer(n.pointer, name)})
			} else if depth == len(path)-1 || n.members[at].members == nil { // it would be a text and an object
				return nil, fmt.Errorf("two columns become the same field, or one a part of the other: %s, %q",
					strings.Join(path, "."), m.header[i])
			}
			n = n.members[at]
		}
		n.column, n.kind = i, kind
	}
	if len(m.plans) < 100 { // whatever stands in the column of the type
		m.plans[t] = message
	}
	return message, nil
}

// What may be wrong with the quotes of a row.
const (
	unclosed = "must close its quotes, and one that opens here is never closed"
	torn     = "must be a row of CSV, and its quotes do not fit together"
)

// cellsOf returns the cells of a row, or what is wrong with it. It is as strict as package
// encoding/csv: a quote opens a cell at its beginning alone, and behind the one that closes it the
// cell ends. Unlike that it keeps each CR of a cell.
func cellsOf(row, comma string) (cells []string, problem string) {
	for more := true; more; {
		var cell string
		if inside, quoted := strings.CutPrefix(row, `"`); quoted {
			end := 0
			for pair := true; pair; { // two quotes stand for one
				next := strings.IndexByte(inside[end:], '"')
				if next < 0 {
					return nil, unclosed
				}
				end += next
				if pair = strings.HasPrefix(inside[end+1:], `"`); pair {
					end += 2
				}
			}
			cell = strings.ReplaceAll(inside[:end], `""`, `"`)
			if row, more = strings.CutPrefix(inside[end+1:], comma); !more && row != "" {
				return nil, torn
			}
		} else if cell, row, more = strings.Cut(row, comma); strings.Contains(cell, `"`) {
			return nil, torn
		}
		cells = append(cells, cell)
	}
	return cells, ""
}

// message returns a row as a message, valid until the next call. It writes JSON straight into a
// buffer, since rows come by the million. A row that does not fit the columns, or has faults in its
// cells, is a message too, which the file of rejects shows so that it can be mended.
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

// members appends the members of an object that have a value: an empty cell is absent, and so is an
// object of which all are. What a cell must be, and is not, is a fault; then it is appended as a
// text, so that the message can be mended.
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

// name appends the name of a member, with a comma where one is due.
func (m *mapping) name(name string) {
	if m.buf[len(m.buf)-1] != '{' {
		m.buf = append(m.buf, ',')
	}
	m.buf = append(rawjson.AppendText(m.buf, name), ':')
}

// appendCell appends a cell as JSON, or says what it must be.
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
		return nil, "must be a number as JSON writes it"
	case err != nil:
		return nil, err.Error()
	}
	return append(m.buf, oneLine([]byte(value))...), ""
}
