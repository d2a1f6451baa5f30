package tracking_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

func Example() {
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"success":true}`)
	}))
	defer receiver.Close()

	event := []byte(`{"event": "Order Completed", "userId": "u-42", "properties": {"total": 42.50}}`)
	fields, err := rawjson.ParseObject(event, rawjson.Limits{})
	if err != nil {
		fmt.Println(err)
		return
	}
	client := tracking.NewClient(nil)
	source := tracking.Source{WriteKey: "abcd1234", Endpoint: receiver.URL} // or Region: tracking.EU
	report, err := source.Send(context.Background(), client, tracking.Call{
		Messages: []tracking.Message{tracking.NewMessage(tracking.Track, fields)}, Alone: true,
		InvocationID: "run-7/node-3",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(report.Messages[0].Status, report.Messages[0].MessageID)
	// Output: accepted sb1-de6e4bb65eb32d5cb7830cd21a1ab112
}

func ExampleSource_Send_refused() {
	fields, _ := rawjson.ParseObject([]byte(`{"type": "track", "event": "Order Completed"}`), rawjson.Limits{})
	call := tracking.Call{Messages: []tracking.Message{tracking.NewMessage("", fields)}}
	_, err := tracking.Source{WriteKey: "abcd1234"}.Send(context.Background(), tracking.NewClient(nil), call)
	fmt.Println(err)

	var e *tracking.Error
	if errors.As(err, &e) {
		fmt.Println(e.Code, e.Problems[0].Code)
	}
	// Output:
	// nothing was sent: must have userId or anonymousId
	// invalid_input no_user_anon_id
}
