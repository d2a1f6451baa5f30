package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	analytics "gopkg.in/segmentio/analytics-go.v3"
)

// shape is a size of events, set by the number of products in each order. The name is the size of
// an event in a batch on the wire. Events without products have no context either.
type shape struct {
	name     string
	products int
}

// shapes returns all shapes. The second one is the usual one.
func shapes() []shape { return []shape{{"300B", 0}, {"600B", 2}, {"1.4KB", 12}, {"8KB", 97}} }

func usual() shape { return shapes()[1] }
func large() shape { return shapes()[2] }

// event is an order.
type event struct {
	name, user, order, currency, coupon string
	total                               float64
	items                               []item
	ip, path, locale                    string
	at                                  time.Time
}

type item struct {
	id, name string
	price    float64
	quantity int
}

// makeEvents returns n events, which are the same in every run.
func makeEvents(n int, s shape) []event {
	rng := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the events must be the same in every run
	pick := func(from ...string) string { return from[rng.IntN(len(from))] }
	price := func(most int) float64 { return float64(rng.IntN(most*100)) / 100 }
	events := make([]event, n)
	for i := range events {
		e := event{
			name: pick("Order Completed", "Order Refunded", "Checkout Started", "Payment Info Entered",
				"Order Updated"),
			user:     fmt.Sprintf("u-%06d", rng.IntN(n)),
			order:    fmt.Sprintf("o%c%08d", marker, i),
			currency: pick("EUR", "USD", "GBP", "SEK"),
			coupon:   pick("summer-2026", "welcome back", "none", "Für Élise"),
			total:    price(900),
			ip:       fmt.Sprintf("203.0.113.%d", rng.IntN(255)),
			path:     pick("/checkout/review", "/basket", "/orders/thank-you"),
			locale:   pick("en-GB", "de-DE", "sv-SE"),
			at: time.Date(2026, 1, 31, 9, 0, 0, 0, time.UTC).
				Add(time.Duration(rng.IntN(3_600_000)) * time.Millisecond),
		}
		for range s.products {
			e.items = append(e.items, item{
				id: fmt.Sprintf("p-%05d", rng.IntN(1e5)), price: price(200), quantity: 1 + rng.IntN(4),
				name: pick("Monopoly: 3rd Edition", "Uno Card Game", "Chess, travel size", "Dominoes"),
			})
		}
		events[i] = e
	}
	return events
}

// call writes the event as an input of segment_track.
func (e event) call() []byte {
	at := e.at.Format("2006-01-02T15:04:05.000Z")
	if len(e.items) == 0 {
		return fmt.Appendf(nil, `{"event":%q,"userId":%q,"properties":{"order_id":%q,"total":%.2f,"currency":%q},`+
			`"timestamp":%q}`, e.name, e.user, e.order, e.total, e.currency, at)
	}
	var items []string
	for _, i := range e.items {
		items = append(items,
			fmt.Sprintf(`{"product_id":%q,"name":%q,"price":%.2f,"quantity":%d}`, i.id, i.name, i.price, i.quantity))
	}
	return fmt.Appendf(nil, `{"event":%q,"userId":%q,"properties":{"order_id":%q,"total":%.2f,"currency":%q,`+
		`"coupon":%q,"products":[%s]},`+
		`"context":{"ip":%q,"locale":%q,"page":{"path":%q,"url":"https://shop.example%s"}},"timestamp":%q}`,
		e.name, e.user, e.order, e.total, e.currency, e.coupon, strings.Join(items, ","), e.ip, e.locale, e.path,
		e.path, at)
}

// message writes the event as a message of a batch.
func (e event) message() string { return `{"type":"track",` + string(e.call()[1:]) }

// track is the event as Segment's own client for Go wants it.
func (e event) track() analytics.Track {
	var items []map[string]any
	for _, i := range e.items {
		items = append(items,
			map[string]any{"product_id": i.id, "name": i.name, "price": i.price, "quantity": i.quantity})
	}
	return analytics.Track{
		Event: e.name, UserId: e.user, Timestamp: e.at,
		Properties: analytics.Properties{
			"order_id": e.order, "total": e.total, "currency": e.currency, "coupon": e.coupon, "products": items,
		},
		Context: &analytics.Context{
			IP: []byte{203, 0, 113, 9}, Locale: e.locale,
			Page: analytics.PageInfo{Path: e.path, URL: "https://shop.example" + e.path},
		},
	}
}

// documents writes events as inputs of segment_batch, with a number of events in each.
func documents(events []event, each int) [][]byte {
	var out [][]byte
	for len(events) > 0 {
		n := min(each, len(events))
		messages := make([]string, n)
		for i, e := range events[:n] {
			messages[i] = e.message()
		}
		out = append(out, []byte(`{"batch":[`+strings.Join(messages, ",")+`]}`))
		events = events[n:]
	}
	return out
}

func decoded(document []byte) (map[string]any, error) {
	var m map[string]any
	err := json.Unmarshal(document, &m)
	return m, err
}

func splitLines(data []byte) []string { return strings.Split(string(data), "\n") }
