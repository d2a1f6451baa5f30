package emulator_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aacflow/segment-blocks/segment/emulator"
)

// sendTrack stands for the client under test.
func sendTrack(baseURL, body string) string {
	req, err := http.NewRequest(http.MethodPost, baseURL+"/v1/track", strings.NewReader(body))
	if err != nil {
		return err.Error()
	}
	req.Header.Set("Content-Type", "application/json")
	req.SetBasicAuth("a-write-key-for-this-example", "")
	resp, err := client.Do(req)
	if err != nil {
		return "no answer"
	}
	_ = resp.Body.Close()
	return resp.Status
}

func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	srv, err := emulator.Start()
	if err != nil {
		panic(err)
	}
	defer func() { _ = srv.Close(ctx) }()

	sendTrack(srv.URL, `{"userId":"u-42","event":"Order Completed","properties":{"total":42.50}}`)

	events, err := srv.Wait(ctx, 1)
	if err != nil {
		panic(err)
	}
	fmt.Println(events[0].Type, events[0].Name, events[0].UserID)
	fmt.Println(string(events[0].Message))
	// Output:
	// track Order Completed u-42
	// {"userId":"u-42","event":"Order Completed","properties":{"total":42.50}}
}

// Segment answers 200 to a message and drops it later; the emulator tells.
func ExampleEmulator_Discards() {
	srv, err := emulator.Start()
	if err != nil {
		panic(err)
	}
	defer func() { _ = srv.Close(context.Background()) }()

	fmt.Println(sendTrack(srv.URL, `{"event":"Order Completed","properties":[1]}`))
	for _, d := range srv.Discards(emulator.DiscardFilter{}) {
		for _, p := range d.Problems {
			fmt.Printf("%q %s %s\n", p.Pointer, p.Code, p.Text)
		}
	}
	// Output:
	// 200 OK
	// "" no_user_anon_id must have userId or anonymousId
	// "/properties" properties_not_object must be an object: [1]
}

// A connection cut after the event was stored is the fault that makes naive
// retries store it twice.
func ExampleEmulator_Script() {
	srv, err := emulator.Start()
	if err != nil {
		panic(err)
	}
	defer func() { _ = srv.Close(context.Background()) }()

	err = srv.Script(
		emulator.Fault{Status: 429, RetryAfter: "1"},
		emulator.Fault{Reset: true, Store: true},
	)
	if err != nil {
		panic(err)
	}
	for range 3 {
		fmt.Println(sendTrack(srv.URL, `{"messageId":"run-7","userId":"u-42","event":"Order Completed"}`))
	}
	stats := srv.Stats()
	fmt.Println("stored", stats.Stored, "duplicates", stats.Duplicates)
	// Output:
	// 429 Too Many Requests
	// no answer
	// 200 OK
	// stored 1 duplicates 1
}
