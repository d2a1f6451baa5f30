package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	analytics "gopkg.in/segmentio/analytics-go.v3"
)

// event is one of those that batches consist of: an order, about 500 bytes as JSON.
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

// makeEvents returns n events, the same ones every time.
func makeEvents(n int) []event {
	rng := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // it has to be the same every time
	pick := func(from ...string) string { return from[rng.IntN(len(from))] }
	price := func(most int) float64 { return float64(rng.IntN(most*100)) / 100 }
	events := make([]event, n)
	for i := range events {
		e := event{
			name:     pick("Order Completed", "Order Refunded", "Checkout Started", "Payment Info Entered", "Order Updated"),
			user:     fmt.Sprintf("u-%06d", rng.IntN(n)),
			order:    fmt.Sprintf("o%c%08d", marker, i),
			currency: pick("EUR", "USD", "GBP", "SEK"),
			coupon:   pick("summer-2026", "welcome back", "none", "Für Élise"),
			total:    price(900),
			ip:       fmt.Sprintf("203.0.113.%d", rng.IntN(255)),
			path:     pick("/checkout/review", "/basket", "/orders/thank-you"),
			locale:   pick("en-GB", "de-DE", "sv-SE"),
			at:       time.Date(2026, 1, 31, 9, 0, 0, 0, time.UTC).Add(time.Duration(rng.IntN(3_600_000)) * time.Millisecond),
		}
		for range 2 {
			e.items = append(e.items, item{
				id: fmt.Sprintf("p-%05d", rng.IntN(1e5)), price: price(200), quantity: 1 + rng.IntN(4),
				name: pick("Monopoly: 3rd Edition", "Uno Card Game", "Chess, travel size", "Dominoes"),
			})
		}
		events[i] = e
	}
	return events
}

// timeLayout is the form in which Segment keeps times.
const timeLayout = "2006-01-02T15:04:05.000Z"

// json writes the event as a message of a batch, its time in a layout.
func (e event) json(layout string) string {
	var items []string
	for _, i := range e.items {
		items = append(items, fmt.Sprintf(`{"product_id":%q,"name":%q,"price":%.2f,"quantity":%d}`, i.id, i.name, i.price,
			i.quantity))
	}
	return fmt.Sprintf(`{"type":"track","event":%q,"userId":%q,"properties":{"order_id":%q,"total":%.2f,"currency":%q,`+
		`"coupon":%q,"products":[%s]},`+
		`"context":{"ip":%q,"locale":%q,"page":{"path":%q,"url":"https://shop.example%s"}},"timestamp":%q}`,
		e.name, e.user, e.order, e.total, e.currency, e.coupon, strings.Join(items, ","), e.ip, e.locale, e.path, e.path,
		e.at.Format(layout))
}

// track is the event as Segment's own client for Go wants it.
func (e event) track() analytics.Track {
	var items []map[string]any
	for _, i := range e.items {
		items = append(items, map[string]any{"product_id": i.id, "name": i.name, "price": i.price, "quantity": i.quantity})
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

// documents writes events as inputs of segment_batch, each with so many of them.
func documents(events []event, each int, layout string) [][]byte {
	var out [][]byte
	for len(events) > 0 {
		n := min(each, len(events))
		messages := make([]string, n)
		for i, e := range events[:n] {
			messages[i] = e.json(layout)
		}
		out = append(out, []byte(`{"batch":[`+strings.Join(messages, ",")+`]}`))
		events = events[n:]
	}
	return out
}

// orderEvent is a track event of about 1,160 bytes: the input of segment_track.
func orderEvent() []byte {
	var products []string
	for i, name := range []string{"Monopoly: 3rd Edition", "Uno Card Game", "Chess, travel size", "Dominoes"} {
		products = append(products, fmt.Sprintf(
			`{"product_id":"507f1f77bcf86cd7994390%02d","sku":"G-%d","name":%q,"price":%d.5,"quantity":%d,"category":"Games"}`,
			i, 30+i, name, 19+i, 1+i%2))
	}
	return []byte(`{"event":"Order Completed","userId":"u-42","properties":{"order_id":"50314b8e9bcf~00000000000",` +
		`"affiliation":"Google Store",` +
		`"total":127.50,"subtotal":122.50,"revenue":125.00,"shipping":3.00,"tax":2.00,"discount":2.50,"coupon":"hasbros",` +
		`"currency":"USD","first_order":true,` +
		`"products":[` + strings.Join(products, ",") +
		`]},"context":{"ip":"203.0.113.9","locale":"en-GB","timezone":"Europe/London",` +
		`"userAgent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML,` +
		` like Gecko) Chrome/131.0.0.0 Safari/537.36",` +
		`"page":{"path":"/checkout/thank-you","url":"https://shop.example/checkout/thank-you"},"campaign":{"name":"winter",` +
		`"source":"newsletter"}},` +
		`"timestamp":"2026-01-31T09:30:00.000Z","integrations":{"All":true,"Mixpanel":false}}`)
}

func decoded(document []byte) (map[string]any, error) {
	var m map[string]any
	err := json.Unmarshal(document, &m)
	return m, err
}
