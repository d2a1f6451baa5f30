package tracking

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
)

// Request is one HTTP request as it would be made.
type Request struct {
	// URL is where the body is posted.
	URL string `json:"url"`
	// Body is the body in full; sentAt is the time of the preview.
	Body json.RawMessage `json:"body"`
	// Messages are the places, from 0, of the messages in it.
	Messages []int `json:"messages"`
}

// Preview does all that [Client.Send] does, except send.
func (c *Client) Preview(source Source, m Message, opts SendOptions) ([]Request, Report, error) {
	d, report, err := c.planOne(context.Background(), source, m, opts)
	if err != nil {
		return nil, report, err
	}
	return d.preview(), report, nil
}

// PreviewBatch does all that [Client.SendBatch] does, except send.
func (c *Client) PreviewBatch(source Source, messages []Message, opts BatchOptions) ([]Request, Report, error) {
	d, report, err := c.planBatch(context.Background(), source, messages, opts)
	if err != nil {
		return nil, report, err
	}
	return d.preview(), report, nil
}

func (d *delivery) preview() []Request {
	var out []Request
	now := d.client.now()
	for _, l := range d.lanes {
		for _, p := range l {
			body := d.body(p.messages)
			stamp(body, now)
			out = append(out, Request{URL: d.target.base + d.path, Body: json.RawMessage(body), Messages: p.messages})
		}
	}
	slices.SortFunc(out, func(a, b Request) int { return cmp.Compare(a.Messages[0], b.Messages[0]) })
	return out
}
