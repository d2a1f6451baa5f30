// Package rest serves the blocks of a registry over HTTP and JSON.
//
//	handler := rest.New(rt, reg, rest.Config{})
//	g, err := guard.New(guard.Config{})
//	if err != nil { … }
//	ln, err := g.Listen(ctx, "127.0.0.1:8787")
//	if err != nil { … }
//	err = g.Server(handler).Serve(ln)
//
// These are the paths. Each GET answers HEAD as well, and those of the catalog have an ETag and
// honour If-None-Match.
//
//	GET  /v1/blocks                       ?search= category= tag=
//	GET  /v1/blocks/{id}                  text/markdown where Accept prefers it
//	GET  /v1/blocks/{id}/schema/{which}   input or output, as application/schema+json
//	POST /v1/blocks/{id}/invoke           {"input":{…},"source":"name"} → output and receipt
//	POST /v1/blocks/{id}/preview          the same body → requests and receipt; sends nothing
//	POST /v1/blocks/{id}/validate         the same body → valid and violations; sends nothing
//	GET  /v1/sources                      where invocations can send, without credentials
//	GET  /v1/sources/{name}/delivery      how many messages wait, were sent or given up
//	GET  /v1/sources/{name}/dead-letters  ?after= limit= the messages that a source has given up
//	POST …/dead-letters/retry             {"ids":[1,2]} or {"all":true}; drop likewise
//	GET  /v1/invocations                  ?after= limit= the latest, if the host keeps a log
//	GET  /v1/invocations/stream           ?after= the same as server-sent events
//	GET  /v1/errors                       what can go wrong, with the status of each code
//	GET  /v1/errors/{code}
//	GET  /openapi.json                    OpenAPI 3.1, generated from the manifests
//
// A failure is a problem document (RFC 9457) with the code of the error, see [Problem] and
// [Status].
//
// # Idempotency
//
// The header Idempotency-Key makes it safe to invoke again: the same key, block, source and input
// give the same message ids, and the receiver counts nothing twice. Every answer to an invocation
// carries the header, with a random key where the request has none, so that a client that decides
// only afterwards to try again still can. A key that comes again with another input is refused for
// as long as this process remembers it, because the receiver would drop that input as a duplicate.
//
// # AACFlow's result
//
// An invocation that asks for the media type application/vnd.aacflow.result+json gets AACFlow's own
// shape,
//
//	{"success":true,"output":{…}}
//	{"success":false,"output":{"code":…,"retryable":…,"violations":[…],…},"error":"…"}
//
// The status is always 200. Under any other status, AACFlow replaces the output by its own, takes
// the error from the first member that it knows, and may repeat the request at the level of HTTP.
// Only a request that package guard refuses has another status.
//
// The handler checks neither tokens nor origins: that is for package guard.
package rest

import (
	"cmp"
	"sync"

	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/serve/guard"
	"github.com/aacflow/segment-blocks/serve/internal/idempotency"
	"github.com/aacflow/segment-blocks/serve/invocations"
)

// Config configures a [Handler]. The zero value of each field is a sensible default.
type Config struct {
	// MaxBody is the largest body of a request, in bytes. Default [guard.DefaultMaxBody], which has
	// room for the largest input that a runtime takes by default.
	MaxBody int
	// Version is what /openapi.json gives as the version of the API's description. Default 1.0.0.
	Version string
	// Invocations is what /v1/invocations answers from. Without it the paths do not exist.
	Invocations *invocations.Log
	// Queues are those of the sources that send messages later, by the names of the sources.
	Queues map[string]Queue
}

// Handler answers the requests of the API. It may be wrapped, and mounted under a prefix with
// http.StripPrefix.
type Handler struct {
	runtime  *runtime.Runtime
	registry *registry.Registry
	cfg      Config
	mux      guard.Mux
	keys     *idempotency.Memory

	streams  guard.Streams
	stopping chan struct{} // closed by stop
	stop     func()
}

// New returns a handler that invokes the blocks of reg through rt. Blocks that the registry lacks
// are not served, even if the runtime has them.
func New(rt *runtime.Runtime, reg *registry.Registry, cfg Config) *Handler {
	cfg.MaxBody = cmp.Or(cfg.MaxBody, guard.DefaultMaxBody)
	cfg.Version = cmp.Or(cfg.Version, "1.0.0")
	h := &Handler{runtime: rt, registry: reg, cfg: cfg, keys: idempotency.New(), stopping: make(chan struct{})}
	h.stop = sync.OnceFunc(func() { close(h.stopping) })
	h.route()
	return h
}
