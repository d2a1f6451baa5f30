package clients_test

import (
	"fmt"
	"log"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	analytics "gopkg.in/segmentio/analytics-go.v3"
)

// outcome collects what the client reports of its messages.
type outcome struct {
	mu       sync.Mutex
	accepted int
	failures []string
}

func (o *outcome) Success(analytics.Message) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.accepted++
}

func (o *outcome) Failure(m analytics.Message, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.failures = append(o.failures, fmt.Sprintf("%T: %v", m, err))
}

func TestAnalyticsGo(t *testing.T) {
	srv := start(t)
	var outcome outcome
	client, err := analytics.NewWithConfig(writeKey, analytics.Config{
		Endpoint: srv.URL, BatchSize: 4, Interval: time.Minute, Callback: &outcome,
		Logger: analytics.StdLogger(log.New(os.Stderr, "analytics-go ", 0)),
	})
	require.NoError(t, err)

	at := func(second, ms int) time.Time {
		return time.Date(2026, 1, 2, 3, 4, second, ms*int(time.Millisecond), time.UTC)
	}
	for _, m := range []analytics.Message{
		analytics.Identify{
			MessageId: "go-1", UserId: "u-42", AnonymousId: "a-7", Timestamp: at(5, 678),
			Traits: analytics.NewTraits().SetName("Élodie <Ø>").SetAge(41).Set("tags", []string{"a", "b"}),
			Context: &analytics.Context{
				Locale: "fr-FR", Campaign: analytics.CampaignInfo{Name: "spring", Source: "news"},
			},
			Integrations: analytics.NewIntegrations().Disable("Mixpanel").Set("Salesforce",
				map[string]any{"object": "Lead"}),
		},
		analytics.Track{
			MessageId: "go-2", UserId: "u-42", AnonymousId: "a-7", Timestamp: at(6, 111), Event: "Order Completed 🎉",
			Properties: analytics.NewProperties().SetRevenue(42.5).Set("none", nil).Set("big",
				int64(9007199254740993)),
			Context:      &analytics.Context{Extra: map[string]any{"direct": true}},
			Integrations: analytics.NewIntegrations().Enable("Mixpanel"),
		},
		analytics.Page{
			MessageId: "go-3", UserId: "u-42", AnonymousId: "a-7", Timestamp: at(7, 211), Name: "Guide",
			Properties: analytics.NewProperties().SetURL("https://shop.example/guide?q=1&r=2#x").
				SetTitle("The guide"),
			Integrations: analytics.NewIntegrations().Enable("Mixpanel"),
		},
		analytics.Screen{
			MessageId: "go-4", UserId: "u-42", AnonymousId: "a-7", Timestamp: at(8, 311), Name: "Basket",
			Properties:   analytics.NewProperties().Set("items", 2),
			Context:      &analytics.Context{App: analytics.AppInfo{Name: "shop", Version: "1.2.3"}},
			Integrations: analytics.NewIntegrations().Enable("Mixpanel"),
		},
		analytics.Group{
			MessageId: "go-5", UserId: "u-42", AnonymousId: "a-7", Timestamp: at(9, 411), GroupId: "g-9",
			Traits:       analytics.NewTraits().SetName("Acme").Set("employees", 12),
			Integrations: analytics.NewIntegrations().Enable("Mixpanel"),
		},
		analytics.Alias{
			MessageId: "go-6", UserId: "u-42", PreviousId: "visitor-1", Timestamp: at(10, 511),
			Context:      &analytics.Context{Locale: "de-DE"},
			Integrations: analytics.NewIntegrations().Enable("Mixpanel"),
		},
	} {
		require.NoError(t, client.Enqueue(m))
	}
	require.NoError(t, client.Close())
	require.Empty(t, outcome.failures)
	require.Equal(t, 6, outcome.accepted)

	requireComplete(t, srv, decode(t, []byte(`[
		{"type":"identify","messageId":"go-1","userId":"u-42","anonymousId":"a-7",
		 "timestamp":"2026-01-02T03:04:05.678Z","traits":{"name":"Élodie <Ø>","age":41,"tags":["a","b"]},
		 "context":{"locale":"fr-FR","campaign":{"name":"spring","source":"news"}},
		 "integrations":{"Mixpanel":false,"Salesforce":{"object":"Lead"}}},
		{"type":"track","messageId":"go-2","userId":"u-42","anonymousId":"a-7","timestamp":"2026-01-02T03:04:06.111Z",
		 "event":"Order Completed 🎉","properties":{"revenue":42.5,"none":null,"big":9007199254740993},
		 "context":{"direct":true},"integrations":{"Mixpanel":true}},
		{"type":"page","messageId":"go-3","userId":"u-42","anonymousId":"a-7","timestamp":"2026-01-02T03:04:07.211Z",
		 "name":"Guide","properties":{"url":"https://shop.example/guide?q=1&r=2#x","title":"The guide"},
		 "integrations":{"Mixpanel":true}},
		{"type":"screen","messageId":"go-4","userId":"u-42","anonymousId":"a-7","timestamp":"2026-01-02T03:04:08.311Z",
		 "name":"Basket","properties":{"items":2},"context":{"app":{"name":"shop","version":"1.2.3"}},
		 "integrations":{"Mixpanel":true}},
		{"type":"group","messageId":"go-5","userId":"u-42","anonymousId":"a-7","timestamp":"2026-01-02T03:04:09.411Z",
		 "groupId":"g-9","traits":{"name":"Acme","employees":12},"integrations":{"Mixpanel":true}},
		{"type":"alias","messageId":"go-6","userId":"u-42","previousId":"visitor-1",
		 "timestamp":"2026-01-02T03:04:10.511Z","context":{"locale":"de-DE"},"integrations":{"Mixpanel":true}}]`)).([]any))

	require.Len(t, srv.Requests(), 2)
	for _, r := range srv.Requests() {
		require.Equal(t, "/v1/batch", r.Path)
		t.Logf("%s %v: %s", r.Path, r.Header, r.Body)
	}
}
