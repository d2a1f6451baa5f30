package rest

import (
	"net/http"
	"path"
	"slices"

	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/schemas"
)

// list answers with the entries of the blocks that match all filters. They are sorted by id, or in
// the order of the search.
func (h *Handler) list(w http.ResponseWriter, r *http.Request) *Problem {
	query, p := queryOf(r, "search", "category", "tag")
	if p != nil {
		return p
	}
	category, tag := query.Get("category"), query.Get("tag")
	entries := []registry.Entry{}
	for _, b := range h.registry.Search(query.Get("search")) {
		m := b.Manifest()
		if (category == "" || category == m.Category) && (tag == "" || slices.Contains(m.Tags, tag)) {
			entries = append(entries, h.registry.Entry(b))
		}
	}
	writeCached(w, r, typeJSON, encode(map[string]any{"blocks": entries}))
	return nil
}

func (h *Handler) block(w http.ResponseWriter, r *http.Request) *Problem {
	b, p := h.lookup(r)
	if p != nil {
		return p
	}
	w.Header().Add("Vary", "Accept")
	if prefers(r, "text/markdown") {
		writeCached(w, r, typeMarkdown, []byte(h.registry.Entry(b).Markdown()))
	} else {
		writeCached(w, r, typeJSON, encode(h.registry.Entry(b)))
	}
	return nil
}

// schema answers with the one that the path ends with: input or output.
func (h *Handler) schema(w http.ResponseWriter, r *http.Request) *Problem {
	b, p := h.lookup(r)
	if p != nil {
		return p
	}
	s := b.Manifest().Input
	if path.Base(r.Pattern) == "output" {
		s = b.Manifest().Output
	}
	writeCached(w, r, typeSchema, s.JSON())
	return nil
}

func (h *Handler) sources(w http.ResponseWriter, r *http.Request) *Problem {
	writeCached(w, r, typeJSON, encode(map[string]any{"sources": h.runtime.Sources()}))
	return nil
}

// lookup returns the block that the path names.
func (h *Handler) lookup(r *http.Request) (registry.Block, *Problem) {
	ref := r.PathValue("id")
	b, err := h.registry.Find(ref)
	if err != nil {
		id, _ := schemas.CutMajor(ref)
		return nil, problemOf(&runtime.Error{Code: runtime.UnknownBlock, Block: id, Message: err.Error()})
	}
	return b, nil
}
