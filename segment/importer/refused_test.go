package importer_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/segment/importer"
)

// picky refuses requests with one of some events, and passes all others on to a receiver.
func picky(r *receiver, status int, answer string, refused func(event string) bool) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return
		}
		list, _ := rawjson.At(body, "/batch")
		for _, raw := range rawjson.OpenArray(list) {
			if refused(rawjson.OpenObject(raw).Text("event")) {
				w.WriteHeader(status)
				_, _ = io.WriteString(w, answer)
				return
			}
		}
		req.Body = io.NopCloser(bytes.NewReader(body))
		r.ServeHTTP(w, req)
	}
}

func serve(t *testing.T, handler http.HandlerFunc) (url string) {
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return s.URL
}

// If the receiver refuses a request as a whole, the events to blame are found, and all others
// arrive in order.
func TestRefusedRequestsAreNarrowedDown(t *testing.T) {
	const events = 3000
	for _, c := range []struct {
		status int
		answer string
	}{
		{400, `{"message":"not this one"}`},
		{413, `not this one`},
		{422, `{"error":"not this one"}`},
		{200, `{"success":false,"message":"not this one"}`},
		{200, `{"success":true,"errors":[{"message":"not this one"}]}`},
	} {
		r := newReceiver(t)
		url := serve(t, picky(r, c.status, c.answer, func(event string) bool { return strings.HasSuffix(event, "77") }))
		in := file(t, "events.ndjson", tracks(events, 7, 0))
		o := importer.Options{Files: []string{in}, Invoke: invoker(t, url), RejectsPath: in + ".rejects"}
		counts := run(t, o)
		require.EqualValues(t, 30, counts.Rejected)
		require.EqualValues(t, events-30, counts.Accepted)
		requireOrder(t, r, events-30)
		rejects := readRejects(t, o.RejectsPath)
		require.Len(t, rejects, 30)
		for i, one := range rejects {
			require.Equal(t, 100*i+78, one.Line)
			require.Contains(t, one.Reasons[0].Message, "was refused by the receiver")
			require.Contains(t, one.Reasons[0].Message, "not this one")
			require.NotContains(t, string(one.Message), "messageId")
		}
	}
}

// If the receiver fails over and over, each run keeps the refused events that earlier runs have
// found.
func TestRefusedEventsAmongFailures(t *testing.T) {
	const events = 300
	r := newReceiver(t)
	healthy := picky(r, 200, `{"success":false,"message":"not this one"}`,
		func(event string) bool { return strings.HasSuffix(event, "7") })
	var requests atomic.Int32
	url := serve(t, func(w http.ResponseWriter, req *http.Request) {
		if requests.Add(1)%7 == 0 { // requests come one at a time
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		healthy(w, req)
	})
	in := file(t, "events.ndjson", tracks(events, 7, 0))
	o := importer.Options{
		Files: []string{in}, Invoke: retrying(t, url, -1), Key: key, Concurrency: 1,
		StatePath: in + ".state", RejectsPath: in + ".rejects",
	}
	var before int64
	for done := false; !done; {
		im, err := importer.New(o)
		require.NoError(t, err)
		_, err = im.Run(t.Context())
		done = err == nil
		now := stateOf(t, o.StatePath).Counts.Events
		if o.Resume {
			require.Greater(t, now, before, "no run is in vain")
		}
		o.Resume, before = true, now
	}
	rejects := readRejects(t, o.RejectsPath)
	require.Len(t, rejects, events/10)
	for i, one := range rejects {
		require.Equal(t, 10*i+8, one.Line)
	}
	requireOrder(t, r, events-events/10)
}

// A receiver that refuses every event refuses the source. That ends the import before all events
// are rejected.
func TestReceiverThatRefusesEverything(t *testing.T) {
	url := serve(t, picky(newReceiver(t), 400, "", func(string) bool { return true }))
	in := file(t, "events.ndjson", tracks(1000, 7, 0))
	o := importer.Options{
		Files: []string{in}, Invoke: invoker(t, url), Key: key, StatePath: in + ".state", RejectsPath: in + ".rejects",
	}
	im, err := importer.New(o)
	require.NoError(t, err)
	counts, err := im.Run(t.Context())
	var failed *importer.DeliveryError
	require.ErrorAs(t, err, &failed)
	require.True(t, failed.Source)
	require.ErrorContains(t, err, "refused 100 events in a row")
	require.Less(t, counts.Rejected, int64(100))
}
