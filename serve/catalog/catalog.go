// Package catalog is a web page on which people browse the blocks of a server, fill their forms,
// look at the requests, run them, and watch what arrives.
//
//	page := catalog.New(catalog.Config{})
//	mux.Handle("/catalog/", http.StripPrefix("/catalog", page))
//	mux.Handle("/", api) // a handler of package rest
//
// The page asks the REST API for everything it shows, so a block that a host registers appears on
// it with form and tables. Package serve mounts both, see [serve.Config].
//
// The files are built by go generate, which needs the npm packages of the folder app; whoever
// builds or runs a program with the catalog needs neither them nor Node.
//
// [serve.Config]: https://pkg.go.dev/github.com/aacflow/segment-blocks/serve#Config
package catalog

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"html/template"
	"io/fs"
	"maps"
	"net/http"
	"path"
	"slices"
	"strings"
)

//go:generate go run -C build . ../dist

//go:embed dist
var dist embed.FS

// Config configures a [Handler]. The zero value of each field is a sensible default.
type Config struct {
	// API is where the REST API is: a path relative to the catalog's own, or one on the same host.
	// Default "../", for a catalog at /catalog/ beside an API at /v1/.
	API string
	// Emulator answers the query API of an emulator, below /emulator/v1/. With it the page shows
	// what the emulator receives, and scripts its faults. Without it the page shows invocations.
	Emulator http.Handler
	// Workflows says that the API has /v1/workflows and /v1/runs. Then the page has a screen for
	// them.
	Workflows bool
	// AACFlow returns the workflow for a block that AACFlow imports, as JSON. With it the page
	// offers that file, below /aacflow/. It must be safe for concurrent use.
	AACFlow func(block string) ([]byte, error)
}

// Handler serves the page. It may be mounted under any prefix with http.StripPrefix, and is safe
// for concurrent use. It checks neither tokens nor origins: that is for package guard.
type Handler struct {
	cfg   Config
	index *template.Template
	etags map[string]string // of the files, by path
	life  context.Context   //nolint:containedctx // of the streams, which Drain ends
	drain context.CancelFunc
}

const (
	indexPath    = "/"
	emulatorPath = "/emulator/v1/"
	aacflowPath  = "/aacflow/"
)

// New returns the handler of a catalog.
func New(cfg Config) *Handler {
	cfg.API = cmp.Or(cfg.API, "../")
	h := &Handler{cfg: cfg, etags: map[string]string{}}
	h.life, h.drain = context.WithCancel(context.Background())
	entries, err := fs.ReadDir(dist, "dist")
	if err != nil {
		panic(err) // the files are part of the program
	}
	for _, entry := range entries {
		body, err := fs.ReadFile(dist, path.Join("dist", entry.Name()))
		if err != nil {
			panic(err)
		}
		if entry.Name() == "index.html" {
			h.index = template.Must(template.New("index").Parse(string(body)))
			continue
		}
		sum := sha256.Sum256(body)
		h.etags["/"+entry.Name()] = `"` + hex.EncodeToString(sum[:12]) + `"`
	}
	return h
}

// Paths lists the paths of the files that make up the page. They hold no data, so a guard can let
// them through without a token (see guard.Guard.Wrap): the page asks its user for one.
func (h *Handler) Paths() []string {
	return append(slices.Sorted(maps.Keys(h.etags)), indexPath)
}

// ServeHTTP answers a request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h.cfg.Emulator != nil && strings.HasPrefix(r.URL.Path, emulatorPath) {
		h.serveEmulator(w, r)
		return
	}
	if block, ok := strings.CutPrefix(r.URL.Path, aacflowPath); ok && h.cfg.AACFlow != nil {
		h.serveAACFlow(w, block)
		return
	}
	etag, found := h.etags[r.URL.Path]
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "the catalog takes GET and HEAD only", http.StatusMethodNotAllowed)
	case r.URL.Path == indexPath:
		h.serveIndex(w)
	case found:
		w.Header().Set("ETag", etag)
		w.Header().Set("Cache-Control", "no-cache") // kept, and asked for again each time
		w.Header().Set("X-Content-Type-Options", "nosniff")
		http.ServeFileFS(w, r, dist, "dist"+r.URL.Path)
	default:
		http.Error(w, "the catalog has no such file", http.StatusNotFound)
	}
}

// Drain ends the streams that are open, and those that are asked for later, so that a server can
// stop although somebody has the page open. The files are served as before.
func (h *Handler) Drain() { h.drain() }

func (h *Handler) serveEmulator(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	stop := context.AfterFunc(h.life, cancel) //nolint:contextcheck // it ends with the catalog, too
	defer stop()
	h.cfg.Emulator.ServeHTTP(w, r.WithContext(ctx))
}

func (h *Handler) serveAACFlow(w http.ResponseWriter, block string) {
	workflow, err := h.cfg.AACFlow(block)
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(workflow)
}

// serveIndex writes the page. Its policy lets nothing in that is not of this server. The editor
// writes its styles into the page, which takes a nonce, a new one each time.
func (h *Handler) serveIndex(w http.ResponseWriter) {
	nonce := rand.Text()
	var page bytes.Buffer
	err := h.index.Execute(&page, struct {
		Nonce, API                   string
		Emulator, AACFlow, Workflows bool
	}{nonce, h.cfg.API, h.cfg.Emulator != nil, h.cfg.AACFlow != nil, h.cfg.Workflows})
	if err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.Header().Set("Content-Security-Policy", "default-src 'self'; style-src 'self' 'nonce-"+nonce+"'; "+
		"base-uri 'none'; form-action 'none'; frame-ancestors 'self'; object-src 'none'")
	_, _ = w.Write(page.Bytes())
}
