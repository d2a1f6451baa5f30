package rest

import (
	"net/http"
	"slices"

	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/schemas"
)

// list answers with the entries of the blocks that match all filters. They are sorted by id, or in
// the order of the search.
func (h *Handler) list(w http.ResponseWriter, r *http.Request, _ string) {
	query, p := queryOf(r, "search", "category", "tag")
	if p != nil {
		p.Write(w, r)
		return
	}
	entries := []registry.Entry{}
	for _, b := range h.registry.Search(query.Get("search")) {
		m := b.Manifest()
		if category := query.Get("category"); category != "" && category != m.Category {
			continue
		}
		if tag := query.Get("tag"); tag != "" && !slices.Contains(m.Tags, tag) {
			continue
		}
		entries = append(entries, h.registry.Entry(b))
	}
	writeCached(w, r, typeJSON, encode(map[string]any{"blocks": entries}))
}

func (h *Handler) block(w http.ResponseWriter, r *http.Request, id string) {
	if b := h.lookup(w, r, id); b != nil {
		w.Header().Add("Vary", "Accept")
		if prefers(r, "text/markdown") {
			writeCached(w, r, typeMarkdown, []byte(h.registry.Entry(b).Markdown()))
			return
		}
		writeCached(w, r, typeJSON, encode(h.registry.Entry(b)))
	}
}

func (h *Handler) inputSchema(w http.ResponseWriter, r *http.Request, id string) {
	if b := h.lookup(w, r, id); b != nil {
		writeCached(w, r, typeSchema, b.Manifest().Input.JSON())
	}
}

func (h *Handler) outputSchema(w http.ResponseWriter, r *http.Request, id string) {
	if b := h.lookup(w, r, id); b != nil {
		writeCached(w, r, typeSchema, b.Manifest().Output.JSON())
	}
}

func (h *Handler) sources(w http.ResponseWriter, r *http.Request, _ string) {
	writeCached(w, r, typeJSON, encode(map[string]any{"sources": h.runtime.Sources()}))
}

// lookup returns the block with an id. If there is none it answers 404 and returns nil.
func (h *Handler) lookup(w http.ResponseWriter, r *http.Request, id string) registry.Block {
	b, err := h.registry.Find(id)
	if err != nil {
		unknown(id, err).Write(w, r)
		return nil
	}
	return b
}

func unknown(ref string, err error) *Problem {
	id, _ := schemas.CutMajor(ref)
	return problemOf(&runtime.Error{Code: runtime.UnknownBlock, Block: id, Message: err.Error()})
}
