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
