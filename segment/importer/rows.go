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
	times   times
	buf     []byte
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
func (c *rows) message(raw []byte, cells []string) (_ []byte, faults []schemas.Violation) {
	switch {
	case bytes.IndexByte(raw, 0) >= 0:
		return nil, fault(CodeCSV, "must be text, and has a NUL byte")
	case !utf8.Valid(raw):
		return nil, fault("invalid_utf8", "must be valid UTF-8")
	}
	m := c.mapping
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
