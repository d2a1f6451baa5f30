package mcp

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"unicode"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/schemas"
	"github.com/aacflow/segment-blocks/serve/internal/idempotency"
)

// The keys of _meta that this server knows.
const (
	// MetaInvocationID is read from the _meta of a call: a text that identifies the call. The same id and input again are counted once.
	MetaInvocationID = "io.github.aacflow/invocationId"
	// MetaReceipt is in the _meta of each result of an invocation: the receipt, as [runtime.Receipt] marshals.
	MetaReceipt = "io.github.aacflow/receipt"
)

// longestID bounds an invocation id, in bytes.
const longestID = 512

// handler invokes a block. It never returns an error: clients mask what is not a result.
func (s *Server) handler(e registry.Entry, source string) sdk.ToolHandler {
	return func(ctx context.Context, req *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
		ctx, done := joinLife(ctx)
		defer done()
		if s.cfg.CallContext != nil {
			ctx = s.cfg.CallContext(ctx, req.Params.Meta)
		}

		var header http.Header
		if req.Extra != nil {
			header = req.Extra.Header
		}
		var options []runtime.InvokeOption
		if source != "" {
			options = append(options, runtime.ToSource(source))
		}
		input, id, wrong := s.open(e, req.Params, header)
		keep := true // also where the invocation panics
		if wrong == nil && id != "" {
			options = append(options, runtime.InvocationID(id))
			// The messages of all blocks have their ids from the invocation's.
			use, ok := s.invocations.Claim(source+"\x00"+id, e.ID, input)
			if !ok {
				wrong = append(wrong, reused())
			} else {
				defer func() { use.Done(keep) }()
			}
		}
		if wrong != nil {
			return failure(s.refuse(ctx, e.ID, input, wrong, options)), nil
		}
		res, err := s.runtime.Invoke(ctx, e.ID, input, options...)
		if err != nil {
			failed := runtime.ErrorOf(err)
			keep = idempotency.Sent(failed)
			return failure(failed), nil
		}
		return success(res), nil
	}
}

// reused is what is wrong with an invocation id that another input has.
func reused() schemas.Violation {
	return schemas.Violation{
		Path: rawjson.Pointer("", idInput), Code: "idempotency_key_reused",
		Message: "has been used for another input; the receiver would drop this one as a duplicate",
	}
}

// open makes of a call an input and an invocation id, and says what is wrong with it already. The arguments pass through as they are
// written.
func (s *Server) open(e registry.Entry, params *sdk.CallToolParamsRaw, header http.Header) (input runtime.JSON, invocation string, wrong []schemas.Violation) {
	raw := params.Arguments
	if len(raw) == 0 || string(bytes.TrimSpace(raw)) == "null" {
		raw = json.RawMessage(`{}`)
	}
	// Size and depth are the runtime's to judge, so what is faulty here is faulty there, and is refused in its words.
	obj, err := rawjson.ParseObject(raw, rawjson.Limits{MaxBytes: math.MaxInt32, MaxDepth: math.MaxInt32})
	if err != nil {
		return runtime.JSON(raw), "", nil
	}
	changed := false

	id := params.Meta[MetaInvocationID]
	if s.cfg.InvocationIDInput {
		if value, ok := obj.Get(idInput); ok {
			obj, changed = obj.Without(idInput), true
			if text, isText := rawjson.Text(value); isText && text != "" {
				id = text
			} else if !isText && string(value) != "null" {
				id = value
			}
		}
	}
	if id != nil {
		var fault *schemas.Violation
		if invocation, fault = readID(id); fault != nil {
			wrong = append(wrong, *fault)
		}
	}

	names := secrets(e.Input)
	key := strings.TrimSpace(header.Get(s.cfg.CredentialHeader))
	given := len(header.Values(s.cfg.CredentialHeader)) > 0 && len(names) > 0
	for _, name := range names {
		if _, ok := obj.Get(name); ok && (!s.cfg.CredentialInput || given && name == names[0]) {
			obj, changed = obj.Without(name), true
			wrong = append(wrong, schemas.Violation{
				Path: rawjson.Pointer("", name), Code: "unknown_parameter",
				Message: "must not be given by the caller: it comes from the source or the request header " + s.cfg.CredentialHeader,
			})
		}
	}
	if given {
		if key == "" {
			wrong = append(wrong, schemas.Violation{
				Path: rawjson.Pointer("", names[0]), Code: string(runtime.MissingCredential),
				Message: "must not be empty where the request has the header " + s.cfg.CredentialHeader,
			})
		}
		obj, changed = slices.Clone(obj).Set(names[0], rawjson.Quote(key)), true
	}
	if changed {
		raw = obj.JSON()
	}
	return runtime.JSON(raw), invocation, wrong
}

// refuse joins what is wrong with a call with what the runtime finds wrong with its input.
func (s *Server) refuse(ctx context.Context, block string, input runtime.JSON, wrong []schemas.Violation, options []runtime.InvokeOption) *runtime.Error {
	unlisted := 0
	if err := s.runtime.Validate(ctx, block, input, options...); err != nil {
		unlisted = runtime.ErrorOf(err).UnlistedViolations
		for _, v := range runtime.ErrorOf(err).Violations {
			if !slices.ContainsFunc(wrong, func(w schemas.Violation) bool { return w.Path == v.Path }) {
				wrong = append(wrong, v)
			}
		}
	}
	refusal := runtime.Refuse(wrong)
	refusal.Block = block
	refusal.UnlistedViolations += unlisted
	return refusal
}

// readID checks an invocation id. A reference that nobody resolved would be the same for every call, and all but one would be dropped.
func readID(id any) (string, *schemas.Violation) {
	v := &schemas.Violation{Path: rawjson.Pointer("", idInput), Code: "invalid_invocation_id"}
	text, ok := id.(string)
	switch {
	case !ok:
		v.Message = "must be a text"
	case text == "" || len(text) > longestID || strings.ContainsFunc(text, unicode.IsControl):
		v.Message = fmt.Sprintf("must be a text of 1 to %d bytes without control characters", longestID)
	case strings.Contains(text, "{{") || strings.Contains(text, "<"):
		v.Code = string(runtime.UnresolvedReference)
		v.Message = "must be resolved by the host before the call: " + schemas.Excerpt(rawjson.Quote(text))
	default:
		return text, nil
	}
	return "", v
}

func success(res *runtime.Result) *sdk.CallToolResult {
	out := &sdk.CallToolResult{
		Meta:              sdk.Meta{MetaReceipt: res.Receipt},
		Content:           []sdk.Content{&sdk.TextContent{Text: string(res.Output)}},
		StructuredContent: res.Output,
	}
	if text := warnings(res.Receipt.Warnings); text != "" {
		out.Content = append(out.Content, &sdk.TextContent{Text: text})
	}
	return out
}

// warnings says what was sent though it looks like a mistake: most models never see _meta.
func warnings(list []runtime.Warning) string {
	const most = 10
	var lines []string
	for i, w := range list {
		if i == most {
			lines = append(lines, fmt.Sprintf("and %d more", len(list)-most))
			break
		}
		lines = append(lines, "warning: "+strings.TrimSpace(w.Path+" "+w.Message))
	}
	return strings.Join(lines, "\n")
}

func failure(e *runtime.Error) *sdk.CallToolResult {
	out := &sdk.CallToolResult{IsError: true, Content: []sdk.Content{&sdk.TextContent{Text: e.Error()}}}
	if raw, err := json.Marshal(e); err == nil {
		out.Content = append(out.Content, &sdk.TextContent{Text: string(raw)})
	}
	if e.Receipt != nil {
		out.Meta = sdk.Meta{MetaReceipt: e.Receipt}
	}
	return out
}
