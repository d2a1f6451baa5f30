package mcp

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/schemas"
	"github.com/aacflow/segment-blocks/serve/internal/idempotency"
)

// DefaultCredentialHeader is the request header that may carry a credential, unless the [Config]
// names another.
const DefaultCredentialHeader = "X-Segment-Write-Key"

// defaultSource is the segment of a path that stands for the default source.
const defaultSource = "-"

// envelope is the size of what a message may have around the largest input.
const envelope = 1 << 20

// Server offers the blocks of a registry as tools. It is an [http.Handler] and safe for concurrent
// use. It owns nothing that must be closed, and does not close the runtime.
type Server struct {
	runtime     *runtime.Runtime
	registry    *registry.Registry
	blocks      []registry.Entry
	cfg         Config
	endpoints   map[address]*endpoint
	calls       calls
	invocations *idempotency.Memory
}

// address is the source and the profile that a path names. The default source is "".
type address struct {
	source  string
	profile Profile
}

// endpoint answers at an address.
type endpoint struct {
	server *sdk.Server
	http   http.Handler
	tools  map[string]sdk.ToolHandler // of the blocks, by name
}

// Config says what a Server offers. The zero value of each field is a sensible default.
type Config struct {
	// Mount is the path that the server is mounted at. Default /mcp.
	Mount string
	// Sources are the names of the runtime's sources that have a path of their own. Without any
	// there is only the default source.
	Sources []string
	// DefaultSource names the source that stdio and the bare mount point send to. Default the
	// runtime's first.
	DefaultSource string
	// DefaultProfile is the profile of stdio and of paths that name none. Default [Sim].
	DefaultProfile Profile
	// CredentialHeader names the request header that may carry the credential for a call, in place
	// of the source's own. The source still decides where events are sent. The value is never
	// logged or answered. Default [DefaultCredentialHeader].
	CredentialHeader string
	// CredentialInput leaves the credential among the inputs of each tool. A model then sees that
	// there is one and may be given one, and it ends up in the transcripts of conversations.
	CredentialInput bool
	// InvocationIDInput adds the optional input invocationId to each tool, for clients that cannot
	// set _meta, such as the MCP block of AACFlow and Sim: wire the run's id and the name of the
	// node into it, and a repeat of the node counts nothing twice. It is not for tools that a model
	// calls. Where a model gives different events the same id, the receiver drops all but the
	// first.
	InvocationIDInput bool
	// Tools are offered beside the blocks, on every path. Their names must not be those of blocks.
	Tools []Tool
	// CallContext derives the context of each call from the _meta of its request, which may name
	// the trace that the call is part of. The context that it is given has the values of the HTTP
	// request's, or of that of [Server.Serve].
	CallContext func(ctx context.Context, meta map[string]any) context.Context
	// HostChecked says that the Host header is checked before requests come here. Otherwise a
	// request that arrives over loopback under a name that is not this machine's gets 403, since a
	// web page may have rebound its own name.
	HostChecked bool
	// MaxBytes bounds a message. Default 33 MiB: the largest input that a runtime takes by default,
	// and the JSON around it.
	MaxBytes int64
	// Logger gets panics of handlers with their stacks; callers get an error with the code
	// internal. The default discards them.
	Logger *slog.Logger
	// Version is what clients are told as the server's version. Default dev.
	Version string

	// What a test has beside the blocks.
	tune  func(*sdk.ServerOptions, *sdk.StreamableHTTPOptions)
	mount func(*sdk.Server)
}

// check sets the defaults and reports what cannot be.
func (c *Config) check() error {
	c.Mount = strings.TrimRight(cmp.Or(c.Mount, "/mcp"), "/")
	c.DefaultProfile = cmp.Or(c.DefaultProfile, Sim)
	c.CredentialHeader = cmp.Or(c.CredentialHeader, DefaultCredentialHeader)
	c.MaxBytes = cmp.Or(c.MaxBytes, int64(rawjson.Limits{}.WithDefaults().MaxBytes)+envelope)
	c.Version = cmp.Or(c.Version, "dev")
	c.Logger = cmp.Or(c.Logger, slog.New(slog.DiscardHandler))
	if c.Mount != "" && c.Mount[0] != '/' {
		return fmt.Errorf("the mount point must begin with a slash: %q", c.Mount)
	}
	for i, name := range c.Sources {
		if name == "" || name == defaultSource || slices.Contains(c.Sources[:i], name) {
			return fmt.Errorf("a source's name must be unique and not %q: %q", defaultSource, name)
		}
	}
	if !slices.Contains(Profiles(), c.DefaultProfile) {
		return fmt.Errorf("the profile must be sim, agent or strict: %q", string(c.DefaultProfile))
	}
	return nil
}

// New returns a server for the blocks that the registry holds now, which must be blocks of the
// runtime.
func New(rt *runtime.Runtime, reg *registry.Registry, cfg Config) (*Server, error) {
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("new mcp server: %w", err)
	}
	s := &Server{
		runtime: rt, registry: reg.Clone(), cfg: cfg, endpoints: map[address]*endpoint{},
		invocations: idempotency.New(),
	}
	var names []string
	for _, b := range s.registry.All() {
		s.blocks = append(s.blocks, s.registry.Entry(b))
		names = append(names, s.blocks[len(s.blocks)-1].Unique())
	}
	for _, t := range cfg.Tools {
		names = append(names, t.Name)
	}
	for i, name := range names {
		if slices.Contains(names[:i], name) {
			return nil, fmt.Errorf("new mcp server: a tool with this name already exists: %q", name)
		}
	}
	for _, profile := range Profiles() {
		tools, err := s.tools(profile)
		if err != nil {
			return nil, fmt.Errorf("new mcp server: %w", err)
		}
		for _, source := range append([]string{""}, s.cfg.Sources...) {
			s.endpoints[address{source, profile}] = s.endpoint(source, profile, tools)
		}
	}
	return s, nil
}

// endpoint returns a server for a source and the tools of a profile.
func (s *Server) endpoint(source string, profile Profile, tools []*sdk.Tool) *endpoint {
	options := &sdk.ServerOptions{
		Instructions: instructions,
		// The tools and resources never change, so there are no notifications of changes.
		Capabilities: &sdk.ServerCapabilities{Tools: &sdk.ToolCapabilities{}, Resources: &sdk.ResourceCapabilities{}},
	}
	transport := &sdk.StreamableHTTPOptions{
		Stateless: true, JSONResponse: true, PropagateRequestCancellation: true,
		DisableLocalhostProtection: s.cfg.HostChecked,
		MaxRequestBodyBytes:        s.cfg.MaxBytes,
	}
	if s.cfg.tune != nil {
		s.cfg.tune(options, transport)
	}
	about := &sdk.Implementation{Name: "segment-blocks", Title: "Segment blocks", Version: s.cfg.Version}
	server := sdk.NewServer(about, options)
	server.AddReceivingMiddleware(s.recovered, s.pinned)
	source = cmp.Or(source, s.cfg.DefaultSource)
	handlers := map[string]sdk.ToolHandler{}
	for i, entry := range s.blocks {
		handlers[tools[i].Name] = s.handler(entry, source, profile)
		server.AddTool(tools[i], handlers[tools[i].Name])
		server.AddResource(resource(entry))
	}
	for _, t := range s.cfg.Tools {
		t.add(server)
	}
	if s.cfg.mount != nil {
		s.cfg.mount(server)
	}
	handler := sdk.NewStreamableHTTPHandler(func(*http.Request) *sdk.Server { return server }, transport)
	return &endpoint{server, handler, handlers}
}

const instructions = "Each tool makes one kind of call to a customer data platform. What the platform would drop " +
	"is refused, and the error lists every reason. Accepted means that the platform confirmed receipt, " +
	"not that destinations received it."

// recovered turns a panic into an error: the SDK runs each handler in a goroutine of its own, where
// a panic would end the process. The value of the panic may quote the call, so it is not logged. It
// also ends a call with its life.
func (s *Server) recovered(next sdk.MethodHandler) sdk.MethodHandler {
	return func(ctx context.Context, method string, req sdk.Request) (result sdk.Result, err error) {
		ctx, done := joinLife(ctx)
		defer done()
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			s.cfg.Logger.ErrorContext(ctx, "mcp handler panicked", "method", method,
				"panic", fmt.Sprintf("a %T", p), "stack", string(debug.Stack()))
			const message = "failed unexpectedly; see the server's log"
			if call, ok := req.GetParams().(*sdk.CallToolParamsRaw); ok {
				result, err = failure(&runtime.Error{Code: runtime.Internal, Block: call.Name, Message: message}), nil
				return
			}
			result, err = nil, &jsonrpc.Error{Code: jsonrpc.CodeInternalError, Message: method + " " + message}
		}()
		return next(ctx, method, req)
	}
}

// pinned lets a call name the major version that the block must have: segment_track@1.
func (s *Server) pinned(next sdk.MethodHandler) sdk.MethodHandler {
	return func(ctx context.Context, method string, req sdk.Request) (sdk.Result, error) {
		call, ok := req.GetParams().(*sdk.CallToolParamsRaw)
		if !ok {
			return next(ctx, method, req)
		}
		if id, major := schemas.CutMajor(call.Name); major != 0 {
			b, err := s.registry.Find(call.Name)
			if err != nil {
				unknown := &runtime.Error{Code: runtime.UnknownBlock, Block: id, Message: err.Error()}
				return failure(unknown), nil //nolint:nilerr // the result tells of it
			}
			call.Name = s.registry.Entry(b).Unique()
		}
		return next(ctx, method, req)
	}
}
