package mcp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/serve/internal/idempotency"
)

// DefaultHeader is the request header that may carry a credential, unless [Header] names another.
const DefaultHeader = "X-Segment-Write-Key"

// defaultSource is the segment of a path that stands for the default source.
const defaultSource = "-"

// envelope is what a message may have around the largest input.
const envelope = 1 << 20

// Server offers the blocks of a registry as tools. It is an [http.Handler] and safe for concurrent use. It owns nothing that must be
// closed; the runtime stays its maker's.
type Server struct {
	runtime   *runtime.Runtime
	blocks    []registry.Entry
	settings  settings
	endpoints map[place]*endpoint
	calls     calls
	ids       *idempotency.Memory
}

// place is a source and a profile; the default source is "".
type place struct {
	source  string
	profile Profile
}

// endpoint is what answers at a place.
type endpoint struct {
	server *sdk.Server
	http   http.Handler
}

type settings struct {
	mount           string
	sources         []string
	source          string
	profile         Profile
	header          string
	credentialInput bool
	idInput         bool
	skipHostCheck   bool
	callContext     func(context.Context, map[string]any) context.Context
	maxBytes        int64
	logger          *slog.Logger
	version         string
	fixtures        fixtures
}

// fixtures are what a test has beside the blocks. Nothing else sets them.
type fixtures struct {
	tune  func(*sdk.ServerOptions, *sdk.StreamableHTTPOptions)
	mount func(*sdk.Server)
}

// Option configures a Server.
type Option func(*settings) error

// Mount is the path that the server is mounted at, /mcp unless told otherwise.
func Mount(path string) Option {
	return func(s *settings) error {
		if !strings.HasPrefix(path, "/") {
			return fmt.Errorf("the mount point must begin with a slash: %q", path)
		}
		s.mount = strings.TrimRight(path, "/")
		return nil
	}
}

// Sources are the names of the runtime's sources that have a path of their own. Without it there is the default source only.
func Sources(names ...string) Option {
	return func(s *settings) error {
		for _, name := range names {
			if name == "" || name == defaultSource || slices.Contains(s.sources, name) {
				return fmt.Errorf("a source needs a name of its own, other than %q: %q", defaultSource, name)
			}
			s.sources = append(s.sources, name)
		}
		return nil
	}
}

// DefaultSource names the source that stdio and the bare mount point send to. Without it that is the runtime's first.
func DefaultSource(name string) Option {
	return func(s *settings) error {
		s.source = name
		return nil
	}
}

// DefaultProfile is the profile of stdio and of paths that name none: [Sim] unless told otherwise.
func DefaultProfile(p Profile) Option {
	return func(s *settings) error {
		if !slices.Contains(Profiles(), p) {
			return fmt.Errorf("there is no profile of this name: %q", string(p))
		}
		s.profile = p
		return nil
	}
}

// Header names the request header that may carry the credential for a call, in the place of the source's own.
// Where events are sent stays the source's. The value is never logged or answered.
func Header(name string) Option {
	return func(s *settings) error {
		if name == "" {
			return errors.New("the header needs a name")
		}
		s.header = name
		return nil
	}
}

// CredentialInput leaves the credential among the inputs of each tool. Then a model sees that there is one, may be given
// one, and it ends up in the transcripts of conversations.
func CredentialInput() Option {
	return func(s *settings) error {
		s.credentialInput = true
		return nil
	}
}

// InvocationIDInput adds the optional input invocationId to each tool, for clients that cannot set _meta, such as the MCP block of
// AACFlow and Sim: wire the run's id and the name of the node into it, and a repeat of the node counts nothing twice.
//
// It is not for tools that a model calls: one that gives the same id to different events has all but the first dropped by the receiver.
func InvocationIDInput() Option {
	return func(s *settings) error {
		s.idInput = true
		return nil
	}
}

// CallContext derives the context of each call from the _meta of its request, which may say what trace the call is part of. The context
// that it is given has the values of the HTTP request's, or of that of [Server.Serve].
func CallContext(derive func(ctx context.Context, meta map[string]any) context.Context) Option {
	return func(s *settings) error {
		s.callContext = derive
		return nil
	}
}

// HostChecked tells that the Host header is checked before requests come here. Otherwise a request that arrives over loopback under
// a name that is not this machine's is answered with 403, since a web page may have rebound its own name.
func HostChecked() Option {
	return func(s *settings) error {
		s.skipHostCheck = true
		return nil
	}
}

// MaxBytes bounds a message, 33 MiB unless told otherwise: the largest input that a runtime takes by default, and what is around it.
func MaxBytes(n int64) Option {
	return func(s *settings) error {
		if n <= 0 {
			return fmt.Errorf("the most bytes of a message must be positive: %d", n)
		}
		s.maxBytes = n
		return nil
	}
}

// Logger gets panics of handlers with their stacks, which callers get as an error with the code
// internal. The default discards them.
func Logger(logger *slog.Logger) Option {
	return func(s *settings) error {
		s.logger = logger
		return nil
	}
}

// Version is what clients are told as the server's version.
func Version(v string) Option {
	return func(s *settings) error {
		s.version = v
		return nil
	}
}

// New returns a server for the blocks that the registry holds by now, which must be blocks of the runtime.
func New(rt *runtime.Runtime, reg *registry.Registry, options ...Option) (*Server, error) {
	s := &Server{
		runtime: rt, blocks: reg.Catalog(), endpoints: map[place]*endpoint{}, ids: idempotency.New(),
		settings: settings{
			mount: "/mcp", profile: Sim, header: DefaultHeader, version: "dev", logger: slog.New(slog.DiscardHandler),
			maxBytes: int64(rawjson.DefaultLimits().MaxBytes) + envelope,
		},
	}
	for _, option := range options {
		if err := option(&s.settings); err != nil {
			return nil, fmt.Errorf("new mcp server: %w", err)
		}
	}
	for _, profile := range Profiles() {
		tools, err := s.tools(profile)
		if err != nil {
			return nil, fmt.Errorf("new mcp server: %w", err)
		}
		for _, source := range append([]string{""}, s.settings.sources...) {
			s.endpoints[place{source, profile}] = s.endpoint(source, tools)
		}
	}
	return s, nil
}

// endpoint makes what answers for a source with the tools of a profile.
func (s *Server) endpoint(source string, tools []*sdk.Tool) *endpoint {
	options := &sdk.ServerOptions{
		Instructions: instructions,
		// What is offered is fixed, so nobody is told of changes.
		Capabilities: &sdk.ServerCapabilities{Tools: &sdk.ToolCapabilities{}, Resources: &sdk.ResourceCapabilities{}},
	}
	transport := &sdk.StreamableHTTPOptions{
		Stateless: true, JSONResponse: true, PropagateRequestCancellation: true,
		DisableLocalhostProtection: s.settings.skipHostCheck,
		MaxRequestBodyBytes:        s.settings.maxBytes,
	}
	if s.settings.fixtures.tune != nil {
		s.settings.fixtures.tune(options, transport)
	}
	server := sdk.NewServer(&sdk.Implementation{Name: "segment-blocks", Title: "Segment blocks", Version: s.settings.version}, options)
	server.AddReceivingMiddleware(s.recovered)
	if source == "" {
		source = s.settings.source
	}
	for i, entry := range s.blocks {
		server.AddTool(tools[i], s.handler(entry, source))
		server.AddResource(resource(entry))
	}
	if s.settings.fixtures.mount != nil {
		s.settings.fixtures.mount(server)
	}
	return &endpoint{server, sdk.NewStreamableHTTPHandler(func(*http.Request) *sdk.Server { return server }, transport)}
}

const instructions = "Each tool makes one kind of call to a customer data platform. What the platform would drop is refused, and the " +
	"error names all that is wrong. Accepted means that the platform has confirmed receipt, not that destinations have got it."
