package retry_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/go-resty/resty/v2"

	"github.com/aacflow/segment-blocks/runtime/retry"
)

// The receiver is overloaded once, and then takes the note.
func Example() {
	board := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Retry-Count") == "" {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusCreated)
	}))
	defer board.Close()

	client := retry.New(resty.New())
	answer, err := client.Send(context.Background(), &retry.Request{
		URL:        board.URL + "/notes",
		Credential: "a-token",
		Header:     http.Header{"Authorization": {"Bearer a-token"}},
		Body:       func() ([]byte, error) { return []byte(`{"title":"Hi"}`), nil },
		Policy:     retry.Policy{BaseDelay: time.Millisecond},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(answer.Status, "after", answer.Attempts, "attempts")
	// Output: 201 after 2 attempts
}
