package importer

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/aacflow/segment-blocks/internal/text"
	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/schemas"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

// rows turns rows of CSV into messages.
type rows struct {
	mapping *mapping
	comma   rune
	from    bytes.Reader
	csv     *csv.Reader
	row     []byte
	buf     []byte
	torn    bool // the last row was none because of its quotes
}

// fields returns the cells of one row. They are valid until the next call.
func (c *rows) fields(raw []byte) ([]string, *schemas.Violation) {
	c.torn = false
	if bytes.IndexByte(raw, 0) >= 0 {
		return nil, &schemas.Violation{Code: CodeCSV, Message: "must be text, and has a NUL byte"}
	}
	c.row = append(append(c.row[:0], raw...), '\n')
	if bytes.IndexByte(raw, '\r') >= 0 { // the reader drops one before each line feed, also inside a cell
		c.row = bytes.ReplaceAll(c.row, []byte("\r\n"), []byte("\r\r\n"))
	}
	c.from.Reset(c.row)
	if c.csv == nil {
		c.csv = csv.NewReader(&c.from)
		c.csv.Comma, c.csv.FieldsPerRecord, c.csv.ReuseRecord = c.comma, -1, true
	}
	cells, err := c.csv.Read()
	if err == nil && c.from.Len() == 0 {
		if !utf8.Valid(raw) {
			return nil, &schemas.Violation{Code: "invalid_utf8", Message: rawjson.ErrInvalidUTF8.Error()}
		}
		return cells, nil
	}
	c.torn = true
	c.csv = nil // it may have kept a part
	var parse *csv.ParseError
	if errors.As(err, &parse) {
		err = parse.Err
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = errors.New("must be one row")
	}
	return nil, &schemas.Violation{Code: CodeCSV, Message: "must be a row of CSV: " + err.Error()}
}

// message returns a row as a message, valid until the next call.
func (c *rows) message(raw []byte) ([]byte, []schemas.Violation) {
	cells, fault := c.fields(raw)
	if fault != nil {
		return nil, []schemas.Violation{*fault}
	}
	m := c.mapping
	if len(cells) != len(m.header) {
		return nil, []schemas.Violation{{Code: CodeCSV, Message: fmt.Sprintf("must have as many fields as the header has columns, %d: %d", len(m.header), len(cells))}}
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
	var faults []schemas.Violation
	dst := append(c.buf[:0], '{')
	if t != "" {
		dst = rawjson.AppendText(append(dst, `"type":`...), string(t))
	}
	dst, faults = plan.appendMembers(dst, cells, faults)
	c.buf = append(dst, '}')
	return c.buf, faults
}

// appendMembers appends the children that have a value, each with a comma where one is due.
func (n *node) appendMembers(dst []byte, cells []string, faults []schemas.Violation) ([]byte, []schemas.Violation) {
	for _, child := range n.children {
		if !child.present(cells) {
			continue
		}
		if dst[len(dst)-1] != '{' {
			dst = append(dst, ',')
		}
		dst = append(append(dst, child.name...), ':')
		if child.column < 0 {
			dst, faults = child.appendMembers(append(dst, '{'), cells, faults)
			dst = append(dst, '}')
			continue
		}
		value, fault := appendCell(dst, cells[child.column], child.kind)
		if fault != "" {
			faults = append(faults, schemas.Violation{Path: child.path, Code: CodeWrongValue, Message: fmt.Sprintf("%s: %q", fault, text.Clip(cells[child.column], 60))})
			value = rawjson.AppendText(dst, cells[child.column]) // so that the message can be mended
		}
		dst = value
	}
	return dst, faults
}

// present tells whether anything is there: an empty cell is not.
func (n *node) present(cells []string) bool {
	if n.column >= 0 {
		return cells[n.column] != ""
	}
	for _, child := range n.children {
		if child.present(cells) {
			return true
		}
	}
	return false
}

// appendCell appends a cell as JSON, or says what it must be.
func appendCell(dst []byte, cell, kind string) (out []byte, fault string) {
	if kind == "text" {
		return rawjson.AppendText(dst, cell), ""
	}
	value := strings.TrimSpace(cell)
	if kind == "boolean" {
		value = strings.ToLower(value)
		if value != "true" && value != "false" {
			return dst, "must be true or false"
		}
		return append(dst, value...), ""
	}
	err := rawjson.Check([]byte(value), limits())
	switch {
	case kind == "number" && (err != nil || rawjson.KindOf([]byte(value)) != rawjson.NumberKind):
		return dst, "must be a number as JSON writes it"
	case err != nil:
		return dst, err.Error()
	}
	return append(dst, value...), ""
}
