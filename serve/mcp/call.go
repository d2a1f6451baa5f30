package mcp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
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
	// MetaInvocationID is read from the _meta of a call: a text that identifies the call. The same
	// id and input again are counted once.
	MetaInvocationID = "io.github.aacflow/invocationId"
	// MetaReceipt is in the _meta of each result of an invocation: the receipt, as
	// [runtime.Receipt] marshals.
	MetaReceipt = "io.github.aacflow/receipt"
	// MetaVersion is in the _meta of each tool in the list: the version of its block. A call may
	// demand a major version by its name: segment_track@1. Of several major versions the newest
	// has the bare id, and an older one a tool of its own: segment_track_v1.
	MetaVersion = "io.github.aacflow/version"
)

// longestID bounds an invocation id, in bytes.
const longestID = 512

// handler returns a tool that invokes a block. It reports each failure as a result, because clients
// hide errors of the protocol.
func (s *Server) handler(e registry.Entry, source string, p Profile) sdk.ToolHandler {
	return func(ctx context.Context, req *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
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
		if wrong != nil {
			return failure(s.refuse(ctx, e, input, wrong, options)), nil
		}
		if id != "" {
			options = append(options, runtime.InvocationID(id))
		}
		// The messages of all blocks derive their ids from the invocation's. So do those of all
		// sources with the same credential, and the default source has a name as well.
		res, err := s.invocations.Do(id, e.ID, input, func() (*runtime.Result, error) {
			return s.runtime.Invoke(ctx, e.Ref(), input, options...)
		})
		if errors.Is(err, idempotency.ErrReused) {
			return failure(s.refuse(ctx, e, input, []schemas.Violation{{
				Path: rawjson.Pointer("", idInput), Code: "idempotency_key_reused",
				Message: "was used for another input; the receiver would drop this one as a duplicate",
			}}, options)), nil
		}
		if err != nil {
			return failure(runtime.ErrorOf(err)), nil
		}
		return success(res, p), nil
	}
}

// open returns the input and the invocation id of a call, and what is already wrong with it. The
// arguments stay as they are written.
func (s *Server) open(e registry.Entry, params *sdk.CallToolParamsRaw, header http.Header) (
	input runtime.JSON, id string, wrong []schemas.Violation,
) {
	raw := params.Arguments
	if len(raw) == 0 || string(bytes.TrimSpace(raw)) == "null" {
		raw = json.RawMessage(`{}`)
	}
	// The runtime checks size and depth. It refuses all that is refused here, in its own words.
	obj, err := rawjson.ParseObject(raw, rawjson.Limits{MaxBytes: math.MaxInt32, MaxDepth: 1000})
	if err != nil {
		return runtime.JSON(raw), "", nil
	}
	given := len(obj)
	obj, id, wrong = s.takeID(obj, params.Meta[MetaInvocationID])
	obj, faults, credential := s.takeCredential(e, obj, header)
	wrong = append(wrong, faults...)
	if credential || len(obj) != given {
		raw = obj.JSON()
	}
	return runtime.JSON(raw), id, wrong
}

// takeID takes the invocation id out of the input, if that may have one, or from the _meta.
func (s *Server) takeID(obj rawjson.Object, id any) (rawjson.Object, string, []schemas.Violation) {
	if value, ok := obj.Get(idInput); ok && s.cfg.InvocationIDInput {
		obj = obj.Without(idInput)
		if text, isText := rawjson.Text(value); isText && text != "" {
			id = text
		} else if !isText && string(value) != "null" {
			id = value
		}
	}
	if id == nil {
		return obj, "", nil
	}
	v := schemas.Violation{Path: rawjson.Pointer("", idInput), Code: "invalid_invocation_id"}
	text, ok := id.(string)
	switch {
	case !ok:
		v.Message = "must be text"
	case text == "" || len(text) > longestID || strings.ContainsFunc(text, unicode.IsControl):
		v.Message = fmt.Sprintf("must be text of 1 to %d bytes without control characters", longestID)
	default:
		reference, _ := s.runtime.Conventions().Unresolved(text)
		if reference == "" {
			return obj, text, nil
		}
		// It would be the same for every call, and the receiver would drop all but one.
		v.Code = string(runtime.UnresolvedReference)
		v.Message = "must be resolved by the host before the call: " + schemas.Excerpt(rawjson.Quote(text))
	}
	return obj, "", []schemas.Violation{v}
}

// takeCredential puts the credential of the request header into the input, and refuses one that the
// caller must not give. It reports whether the header has one.
func (s *Server) takeCredential(e registry.Entry, obj rawjson.Object, header http.Header) (
	_ rawjson.Object, wrong []schemas.Violation, given bool,
) {
	names := secrets(e.Input)
	given = len(header.Values(s.cfg.CredentialHeader)) > 0 && len(names) > 0
	for _, name := range names {
		if _, ok := obj.Get(name); ok && (!s.cfg.CredentialInput || given && name == names[0]) {
			obj = obj.Without(name)
			wrong = append(wrong, schemas.Violation{
				Path: rawjson.Pointer("", name), Code: "unknown_parameter",
				Message: "must not be given by the caller: it comes from the source or the request header " +
					s.cfg.CredentialHeader,
			})
		}
	}
	if given {
		key := strings.TrimSpace(header.Get(s.cfg.CredentialHeader))
		if key == "" {
			wrong = append(wrong, schemas.Violation{
				Path: rawjson.Pointer("", names[0]), Code: string(runtime.MissingCredential),
				Message: "must not be empty where the request has the header " + s.cfg.CredentialHeader,
			})
		}
		obj = slices.Clone(obj).Set(names[0], rawjson.Quote(key))
	}
	return obj, wrong, given
}

// refuse joins what is wrong with a call and what the runtime finds wrong with its input.
func (s *Server) refuse(
	ctx context.Context, e registry.Entry, input runtime.JSON, wrong []schemas.Violation,
	options []runtime.InvokeOption,
) *runtime.Error {
	unlisted := 0
	if err := s.runtime.Validate(ctx, e.Ref(), input, options...); err != nil {
		found := runtime.ErrorOf(err)
		unlisted = found.UnlistedViolations
		for _, v := range found.Violations {
			if !slices.ContainsFunc(wrong, func(w schemas.Violation) bool { return w.Path == v.Path }) {
				wrong = append(wrong, v)
			}
		}
	}
	refusal := runtime.Refuse(wrong)
	refusal.Block = e.ID
	refusal.UnlistedViolations += unlisted
	return refusal
}

func success(res *runtime.Result, p Profile) *sdk.CallToolResult {
	output := res.Output
	if p == Sim {
		output = schemas.WithoutNulls(output)
	}
	out := &sdk.CallToolResult{
		Meta:              sdk.Meta{MetaReceipt: res.Receipt},
		Content:           []sdk.Content{&sdk.TextContent{Text: string(output)}},
		StructuredContent: output,
	}
	if text := warnings(res.Receipt.Warnings); text != "" {
		out.Content = append(out.Content, &sdk.TextContent{Text: text})
	}
	return out
}

// warnings lists what was sent although it looks like a mistake. Most models never see _meta.
func warnings(list []schemas.Violation) string {
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
