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

// cells returns the cells of a row of which the quotes fit together. The splitter has made sure of
// that, as package encoding/csv would; unlike that it keeps each CR of a cell.
func (c *rows) cells(raw []byte) []string {
	var cells []string
	row := string(raw)
	for more := true; more; {
		var cell string
		if inside, isQuoted := strings.CutPrefix(row, `"`); isQuoted {
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
	faults = c.members(plan, cells, faults)
	c.buf = append(c.buf, '}')
	return c.buf, faults
}

// members appends the members of an object that have a value: an empty cell is absent, and so is an
// object of which all are. What a cell must be, and is not, is a fault; then it is appended as a
// text, so that the message can be mended.
func (c *rows) members(of *node, cells []string, faults []schemas.Violation) []schemas.Violation {
	for _, n := range of.members {
		before := len(c.buf)
		switch {
		case n.members != nil:
			c.name(n.name)
			c.buf = append(c.buf, '{')
			begin := len(c.buf)
			if faults = c.members(n, cells, faults); len(c.buf) == begin {
				c.buf = c.buf[:before]
			} else {
				c.buf = append(c.buf, '}')
			}
		case cells[n.column] != "":
			c.name(n.name)
			out, fault := c.appendCell(cells[n.column], n.kind)
			if fault != "" {
				out = rawjson.AppendText(c.buf, cells[n.column])
				message := fmt.Sprintf("%s: %q", fault, text.Clip(cells[n.column], 60))
				faults = append(faults, schemas.Violation{Path: n.pointer, Code: CodeWrongValue, Message: message})
			}
			c.buf = out
		}
	}
	return faults
}

// name appends the name of a member, with a comma where one is due.
func (c *rows) name(name string) {
	if c.buf[len(c.buf)-1] != '{' {
		c.buf = append(c.buf, ',')
	}
	c.buf = append(rawjson.AppendText(c.buf, name), ':')
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
