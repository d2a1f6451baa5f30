package rest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/aacflow/segment-blocks/schemas"
	"github.com/aacflow/segment-blocks/serve/guard"
	"github.com/aacflow/segment-blocks/serve/invocations"
)

const defaultPage = 100

// invocations answers with those that follow a number, or else with the latest.
func (h *Handler) invocations(w http.ResponseWriter, r *http.Request) *Problem {
	query, after, limit, p := pageOf(r)
	if p != nil {
		return p
	}
	var list []*invocations.Invocation
	cursor, missed := h.cfg.Invocations.Last(), uint64(0)
	if query.Has("after") {
		list, missed, _ = h.cfg.Invocations.After(after, int(limit))
	} else {
		list = h.cfg.Invocations.Latest(int(limit))
	}
	if len(list) > 0 {
		cursor = list[len(list)-1].Seq
	}
	writeFresh(w, typeJSON, encode(struct {
		Invocations []*invocations.Invocation `json:"invocations"`
		Cursor      uint64                    `json:"cursor"`
		Missed      uint64                    `json:"missed"`
	}{append([]*invocations.Invocation{}, list...), cursor, missed}))
	return nil
}

// pageOf reads which part of a list is asked for.
func pageOf(r *http.Request) (query url.Values, after, limit uint64, p *Problem) {
	if query, p = queryOf(r, "after", "limit"); p != nil {
		return nil, 0, 0, p
	}
	if after, p = number(query, "after", 0); p != nil {
		return nil, 0, 0, p
	}
	limit, p = number(query, "limit", defaultPage)
	if p != nil || limit == 0 || limit > invocations.Most {
		p = newProblem(codeRequest, fmt.Sprintf("limit must be a whole number from 1 to %d: %.50q",
			invocations.Most, query.Get("limit")))
	}
	return query, after, limit, p
}

// queryOf refuses parameters that are unknown or named twice, which would seem to have worked.
func queryOf(r *http.Request, known ...string) (url.Values, *Problem) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, newProblem(codeRequest, "the query must be readable")
	}
	for name, values := range query {
		if !slices.Contains(known, name) {
			return nil, newProblem(codeRequest,
				fmt.Sprintf("the query has an unknown parameter: %.100q%s", name, schemas.DidYouMean(name, known)))
		}
		if len(values) > 1 {
			return nil, newProblem(codeRequest, fmt.Sprintf("the query must name a parameter only once: %.100q", name))
		}
	}
	return query, nil
}

func number(query url.Values, name string, standard uint64) (uint64, *Problem) {
	if !query.Has(name) {
		return standard, nil
	}
	n, err := strconv.ParseUint(query.Get(name), 10, 63)
	if err != nil {
		return 0, newProblem(codeRequest, fmt.Sprintf("%s must be a whole number: %.50q", name, query.Get(name)))
	}
	return n, nil
}

// stream sends invocations as they end, as server-sent events: the id is the number of the
// invocation, the data its JSON. It begins after the header Last-Event-ID, or else ?after=, or else
// with the next to end. An event of type gap says how many the client has missed.
//
// A stream reads the log at its own pace, so a slow client holds nothing up.
func (h *Handler) stream(w http.ResponseWriter, r *http.Request) *Problem {
	if _, p := queryOf(r, "after"); p != nil {
		return p
	}
	seq, invalid := guard.StreamAfter(r, "after", h.cfg.Invocations.Last())
	if invalid != nil {
		return wrap(invalid)
	}
	closeStream, full := h.streams.Open(r)
	if full != nil {
		return wrap(full)
	}
	defer closeStream()
	guard.Stream(w, r, h.stopping, func(chunk []byte) ([]byte, <-chan struct{}, bool) {
		list, missed, changed := h.cfg.Invocations.After(seq, defaultPage)
		chunk = guard.AppendGap(chunk, missed)
		for _, i := range list {
			doc, _ := json.Marshal(i)
			chunk = fmt.Appendf(chunk, "id: %d\ndata: %s\n\n", i.Seq, doc)
			seq = i.Seq
			changed = nil // the page may have ended before the list
		}
		return chunk, changed, false
	})
	return nil
}

// Drain ends the streams, and those that are opened later as soon as they have said what there is.
func (h *Handler) Drain() { h.stop() }
