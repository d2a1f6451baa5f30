package importer

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/aacflow/segment-blocks/internal/isotime"
	"github.com/aacflow/segment-blocks/internal/text"
	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/schemas"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

// rows turns rows of CSV into messages.
type rows struct {
	mapping *mapping
	comma   string
	times   times
	buf     []byte
}

// cells returns the cells of a row of which the quotes fit together.
func (c *rows) cells(raw []byte) []string {
	var cells []string
	row := string(raw)
	for more := true; more; {
		cell := ""
		if inside, quoted := strings.CutPrefix(row, `"`); quoted {
			end := strings.IndexByte(inside, '"')
			for strings.HasPrefix(inside[end+1:], `"`) { // two of them stand for one
				end += 2 + strings.IndexByte(inside[end+2:], '"')
			}
			cell = strings.ReplaceAll(inside[:end], `""`, `"`)
			row, more = strings.CutPrefix(inside[end+1:], c.comma)
		} else {
			cell, row, more = strings.Cut(row, c.comma)
		}
		cells = append(cells, cell)
	}
	return cells
}

// message returns a row as a message, valid until the next call. It writes JSON straight into a
// buffer, since rows come by the million. A row that does not fit the columns, or has faults in its
// cells, is a message too, which the file of rejects shows so that it can be mended.
func (c *rows) message(raw []byte) ([]byte, []schemas.Violation) {
	switch {
	case bytes.IndexByte(raw, 0) >= 0:
		return nil, []schemas.Violation{{Code: CodeCSV, Message: "must be text, and has a NUL byte"}}
	case !utf8.Valid(raw):
		return nil, []schemas.Violation{{Code: "invalid_utf8", Message: "must be valid UTF-8"}}
	}
	cells := c.cells(raw)
	m := c.mapping
	var faults []schemas.Violation
	if len(cells) != len(m.header) {
		message := fmt.Sprintf("must have as many fields as the header has columns, %d: %d", len(m.header), len(cells))
		faults = []schemas.Violation{{Code: CodeCSV, Message: message}}
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
		return nil, []schemas.Violation{{Code: CodeCSV, Message: err.Error()}}
	}
	c.buf = append(c.buf[:0], '{')
	if t != "" {
		c.buf = rawjson.AppendText(append(c.buf, `"type":`...), string(t))
	}
	var open []string // the objects that have begun
	for _, to := range plan {
		if cells[to.column] != "" { // an empty cell is absent
			c.enter(&open, to.path[:len(to.path)-1])
			if fault := c.cell(to, cells[to.column]); fault != nil {
				faults = append(faults, *fault)
			}
		}
	}
	c.enter(&open, nil)
	c.buf = append(c.buf, '}')
	return c.buf, faults
}

// enter ends and begins objects until those of a path are open. The cells of one object are side by
// side, so no object begins twice.
func (c *rows) enter(open *[]string, path []string) {
	n := common(*open, path)
	c.buf = append(c.buf, strings.Repeat("}", len(*open)-n)...)
	for _, name := range path[n:] {
		c.name(name)
		c.buf = append(c.buf, '{')
	}
	*open = path
}

// name appends the name of a member, with a comma where one is due.
func (c *rows) name(name string) {
	if c.buf[len(c.buf)-1] != '{' {
		c.buf = append(c.buf, ',')
	}
	c.buf = append(rawjson.AppendText(c.buf, name), ':')
}

// cell appends the member that a cell becomes. What the cell must be, and is not, is a fault; then
// it is appended as a text, so that the message can be mended.
func (c *rows) cell(to cell, value string) *schemas.Violation {
	c.name(to.path[len(to.path)-1])
	out, fault := c.appendCell(value, to.kind)
	if fault == "" {
		c.buf = out
		return nil
	}
	c.buf = rawjson.AppendText(c.buf, value)
	at := ""
	for _, name := range to.path {
		at = rawjson.Pointer(at, name)
	}
	return &schemas.Violation{Path: at, Code: CodeWrongValue, Message: fmt.Sprintf("%s: %q", fault, text.Clip(value, 60))}
}

// appendCell appends a cell as JSON, or says what it must be.
func (c *rows) appendCell(cell, kind string) (out []byte, fault string) {
	value := strings.TrimSpace(cell)
	switch kind {
	case "text":
		return rawjson.AppendText(c.buf, cell), ""
	case "time":
		at, err := c.times.read(value)
		if err != nil {
			return nil, err.Error()
		}
		return rawjson.AppendText(c.buf, isotime.Format(at)), ""
	case "boolean":
		value = strings.ToLower(value)
		if value != "true" && value != "false" {
			return nil, "must be true or false"
		}
		return append(c.buf, value...), ""
	}
	err := rawjson.Check([]byte(value), limits())
	switch {
	case kind == "number" && (err != nil || rawjson.KindOf([]byte(value)) != rawjson.NumberKind):
		return nil, "must be a number as JSON writes it"
	case err != nil:
		return nil, err.Error()
	}
	return append(c.buf, oneLine([]byte(value))...), ""
}
