package tracking_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/go-resty/resty/v2"

	"github.com/aacflow/segment-blocks/segment/tracking"
)

// accepting answers without a network, so that what is measured is this package and resty.
type accepting struct{}

func (accepting) RoundTrip(req *http.Request) (*http.Response, error) {
	_, _ = io.Copy(io.Discard, req.Body)
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{}, Request: req,
		Body: io.NopCloser(strings.NewReader(`{"success":true}`)),
	}, nil
}

func BenchmarkSend(b *testing.B) {
	client := tracking.NewClient(resty.New().SetTransport(accepting{}))
	source := tracking.Source{WriteKey: testKey}
	m := item(b,
		`{"type":"track","event":"Order Completed","userId":"u-42","context":{"ip":"1.2.3.4"},`+
			`"properties":{"x":"`+strings.Repeat("x", 900)+`"}}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := source.Send(b.Context(), client,
			tracking.Call{Messages: []tracking.Message{m}, Alone: true, InvocationID: "run-7/node-3"}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSendBatch(b *testing.B) {
	client := tracking.NewClient(resty.New().SetTransport(accepting{}))
	source := tracking.Source{WriteKey: testKey}
	messages := make([]tracking.Message, 5000)
	for i := range messages {
		messages[i] = item(b,
			`{"type":"track","event":"Order Completed","userId":"u-42","context":{"ip":"1.2.3.4"},`+
				`"properties":{"x":"`+strings.Repeat("x", 900)+`"}}`)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := source.Send(b.Context(), client,
			tracking.Call{Messages: messages, InvocationID: "run-7/node-3"}); err != nil {
			b.Fatal(err)
		}
	}
}
