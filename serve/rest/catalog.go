package rest

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/schemas"
)

// list answers with the entries of the blocks that all the filters fit: in the order of the search where there is one, else by id.
func (s *server) list(w http.ResponseWriter, r *http.Request, _ []string) {
	query, f := filtersOf(r)
	if f != nil {
		f.write(w, r)
		return
	}
	entries := []registry.Entry{}
	for _, b := range s.registry.Search(query.Get("search")) {
		m := b.Manifest()
		if category := query.Get("category"); category != "" && category != m.Category {
			continue
		}
		if tag := query.Get("tag"); tag != "" && !slices.Contains(m.Tags, tag) {
			continue
		}
		entries = append(entries, registry.EntryOf(b))
	}
	writeCached(w, r, typeJSON, encode(map[string]any{"blocks": entries}))
}

// filtersOf refuses a filter that does not exist: it would be taken for one that fits all.
func filtersOf(r *http.Request) (url.Values, *fault) {
	known := []string{"search", "category", "tag"}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, &fault{http.StatusBadRequest, codeRequest, "the query must be readable"}
	}
	for name, values := range query {
		if !slices.Contains(known, name) {
			return nil, &fault{http.StatusBadRequest, codeRequest, fmt.Sprintf("the query has an unknown filter: %.100q%s", name, schemas.DidYouMean(name, known))}
		}
		if len(values) > 1 {
			return nil, &fault{http.StatusBadRequest, codeRequest, fmt.Sprintf("the query must name a filter only once: %q", name)}
		}
	}
	return query, nil
}

func (s *server) block(w http.ResponseWriter, r *http.Request, parts []string) {
	b, _ := s.registry.Lookup(parts[2])
	w.Header().Set("Vary", "Accept")
	if prefers(r, "text/markdown") {
		writeCached(w, r, typeMarkdown, []byte(registry.EntryOf(b).Markdown()))
		return
	}
	writeCached(w, r, typeJSON, encode(registry.EntryOf(b)))
}

func (s *server) schema(w http.ResponseWriter, r *http.Request, parts []string) {
	b, _ := s.registry.Lookup(parts[2])
	schema := b.Manifest().Input
	if parts[4] == "output" {
		schema = b.Manifest().Output
	}
	writeCached(w, r, typeSchema, schema.JSON())
}

// demandBlock answers 404 where the registry has no block with the id.
func (s *server) demandBlock(w http.ResponseWriter, r *http.Request, id string) bool {
	if e := s.unknown(id); e != nil {
		problemOf(e).Write(w, r)
		return false
	}
	return true
}

func (s *server) unknown(id string) *runtime.Error {
	if _, ok := s.registry.Lookup(id); ok {
		return nil
	}
	return &runtime.Error{Code: runtime.UnknownBlock, Block: id, Message: "is not a known block" + s.registry.Suggest(id)}
}
