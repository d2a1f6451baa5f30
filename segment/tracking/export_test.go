package tracking

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
)

// Request is one HTTP request as it would be made.
type Request struct {
	URL      string
	Body     json.RawMessage
	Messages []int // the places, from 0, of the messages in it
}

// Preview does all that [Source.Send] does, except send.
func (c *Client) Preview(source Source, call Call) ([]Request, Report, error) {
	b, err := c.Prepare(context.Background(), source, call)
	if err != nil {
		return nil, b.Report(), err
	}
	s := &sending{Batch: b, client: c, alone: b.Alone}
	var out []Request
	for _, p := range s.requests() {
		for _, r := range p {
			out = append(out, Request{URL: b.endpoint + s.path(), Body: s.body(r), Messages: r.messages})
		}
	}
	slices.SortFunc(out, func(a, b Request) int { return cmp.Compare(a.Messages[0], b.Messages[0]) })
	return out, b.Report(), nil
}
