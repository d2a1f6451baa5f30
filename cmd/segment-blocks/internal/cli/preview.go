package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/settings"
	"github.com/aacflow/segment-blocks/internal/text"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/schemas"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

// newPreview makes preview. It builds the requests exactly as run does, by the same code, and shows
// them in place of sending them.
func newPreview(p *Program) *cobra.Command {
	cmd := p.blockCommand("preview", "Show the exact requests a block would send, and send nothing")
	id := addInvocationID(cmd.Command)
	addSource(p, cmd.Command)
	return p.runs(cmd.Command, func(args []string, s *settings.Settings) error {
		t, requests, receipt, err := p.preview(cmd, args[0], s, false, runtime.InvocationID(*id))
		if err != nil {
			return err
		}
		// What is shown depends on the source, so it is said which one that is.
		if t.source == "placeholder" {
			p.Note("no source is configured: shown as for Segment in the US, with a placeholder for the write key")
		} else {
			p.mentionRegion(t.source, t.sends)
		}
		if format := p.Format(s.Output, true); format != "text" {
			p.printWarnings(receipt)
			return p.Print(format, struct {
				Sent     bool              `json:"sent"`
				Requests []runtime.Request `json:"requests"`
				Receipt  *runtime.Receipt  `json:"receipt"`
			}{false, requests, receipt})
		}
		for _, r := range requests {
			writeRequest(p.Stdout, p.Style(p.Stdout), r)
		}
		console.Writef(p.Stdout, "%s, nothing was sent\n", console.Count(len(requests), "request"))
		p.printWarnings(receipt)
		return nil
	})
}

// preview makes the requests of a block, sends none, and says for which target they are.
func (p *Program) preview(
	cmd *blockInput, block string, s *settings.Settings, anySource bool, options ...runtime.InvokeOption,
) (*target, []runtime.Request, *runtime.Receipt, error) {
	in, err := cmd.read(p, block)
	if err != nil {
		return nil, nil, nil, err
	}
	t, err := p.open(s, opening{looks: true, any: anySource})
	if err != nil {
		return nil, nil, nil, err
	}
	defer t.close() // what it tells afterwards is a name and an endpoint
	requests, receipt, err := t.Preview(cmd.Context(), block, in.json, options...)
	return t, requests, receipt, wrapInvocation(err, in, nil)
}

// writeRequest writes a request for people: the headers as a table, the body indented, and its size
// next to the limit that applies to it. The size is that of the body as it is sent, not as it is
// shown.
func writeRequest(w io.Writer, s console.Style, r runtime.Request) {
	console.Writeln(w, s.Strong(text.Escape(r.Method+" "+r.URL)))
	var rows [][]string
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		rows = append(rows, []string{name + ":", strings.Join(r.Header[name], ", ")})
	}
	console.WriteTable(w, rows)
	// A request of one message has the limit of a message. Segment refuses or drops what is above a
	// limit, so the size is shown before that matters.
	limit := tracking.MaxMessageBytes
	if strings.HasSuffix(r.URL, tracking.BatchPath) {
		limit = tracking.MaxBodyBytes
	}
	console.Writef(w, "  body of %s bytes, %s are allowed:\n", text.Grouped(int64(r.Bytes)), text.Grouped(int64(limit)))
	// Indenting keeps numbers and the order of members as they are sent.
	var body bytes.Buffer
	if err := json.Indent(&body, []byte(r.Body), "  ", "  "); err != nil {
		body.Reset()
		body.WriteString(r.Body)
	}
	for line := range strings.SplitSeq(body.String(), "\n") {
		console.Writeln(w, "  "+strings.TrimPrefix(text.Escape(line), "  "))
	}
	console.Writeln(w)
}

// newValidate makes validate. It takes the first of several sources if none is chosen, because an
// input is valid for all of them or for none. It is a preview whose requests are not shown: only so
// are limits checked that depend on what is sent.
func newValidate(p *Program) *cobra.Command {
	cmd := p.blockCommand("validate", "Check an input as run would, and send nothing")
	addSource(p, cmd.Command)
	return p.runs(cmd.Command, func(args []string, s *settings.Settings) error {
		_, _, receipt, err := p.preview(cmd, args[0], s, true)
		p.printWarnings(receipt)
		// A refusal is the answer to what was asked, and so goes to stdout. Any other error means that
		// there is no answer.
		refusal, refused := errors.AsType[*console.InputError](err)
		if err != nil && (!refused || len(refusal.Cause.Violations) == 0) {
			return err
		}
		// A script reads valid; the code is the one that run would fail with.
		verdict := struct {
			Block      string              `json:"block"`
			Valid      bool                `json:"valid"`
			Code       runtime.Code        `json:"code,omitempty"`
			InputFile  string              `json:"inputFile,omitempty"`
			Violations []schemas.Violation `json:"violations"`
		}{Block: args[0], Valid: !refused, Violations: []schemas.Violation{}}
		if refused {
			verdict.Code, verdict.InputFile, verdict.Violations = refusal.Cause.Code, refusal.File, refusal.Cause.Violations
		}
		return p.conclude(s.Output, console.ExitCodeOf(err), verdict, func(w io.Writer) {
			if refused {
				p.WriteError(w, refusal)
			} else {
				console.Writef(w, "%s would take this input\n", args[0])
			}
		})
	})
}
