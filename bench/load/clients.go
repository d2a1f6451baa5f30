package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// tally counts the outcomes of requests.
type tally struct {
	mu     sync.Mutex
	counts map[string]int
	times  []time.Duration // the latencies of requests answered with 200
}

func newTally() *tally { return &tally{counts: map[string]int{}} }

func (t *tally) add(outcome string, took time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts[outcome]++
	if outcome == "200" {
		t.times = append(t.times, took)
	}
}

func (t *tally) outcomes() string {
	var parts []string
	for _, outcome := range slices.Sorted(maps.Keys(t.counts)) {
		parts = append(parts, fmt.Sprintf("%s: %d", outcome, t.counts[outcome]))
	}
	return strings.Join(parts, ", ")
}

func (t *tally) rates(took time.Duration) string {
	if len(t.times) == 0 {
		return "none succeeded"
	}
	slices.Sort(t.times)
	at := func(part float64) time.Duration {
		return t.times[int(part*float64(len(t.times)-1))].Round(10 * time.Microsecond)
	}
	return fmt.Sprintf("%6.0f/s  p50 %s  p99 %s", float64(len(t.times))/took.Seconds(), at(0.5), at(0.99))
}

// crowd runs a number of clients at once, and waits for all of them.
func crowd(clients int, client func(i int)) {
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() { client(i) })
	}
	all.Wait()
}

func body(source string) string {
	return `{"source":"` + source +
		`","input":{"event":"Order Completed","userId":"u-42","properties":{"total":42.50,"currency":"EUR"}}}`
}

const path = "/v1/blocks/segment_track/invoke"

// invokeUntil invokes on its own connection until ctx ends.
func (t *tally) invokeUntil(ctx context.Context, url, source string) {
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	for ctx.Err() == nil {
		began := time.Now()
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+path, strings.NewReader(body(source)))
		if err != nil {
			t.add(err.Error(), 0)
			return
		}
		req.Header.Set("Content-Type", "application/json")
		res, err := client.Do(req)
		switch {
		case err != nil && ctx.Err() != nil:
			t.add("not answered when the client left", 0)
		case err != nil:
			t.add("failed", 0)
		default:
			_, _ = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
			t.add(fmt.Sprint(res.StatusCode), time.Since(began))
			if res.StatusCode == http.StatusServiceUnavailable {
				time.Sleep(100 * time.Millisecond) // sooner than Retry-After, to keep the server busy
			}
		}
	}
}

// invokeByHand invokes until the server no longer accepts connections. A request is lost if it was
// written to an accepted connection and got no answer. No HTTP library is used here, because it
// might retry and hide the loss.
func (t *tally) invokeByHand(ctx context.Context, address, source string, keep bool) {
	var conn net.Conn
	defer func() {
		if conn != nil {
			_ = conn.Close()
		}
	}()
	for ctx.Err() == nil {
		if conn == nil {
			var err error
			if conn, err = net.DialTimeout("tcp", address, 5*time.Second); err != nil {
				conn = nil
				return // it has stopped listening
			}
		}
		began := time.Now()
		status, again, err := exchange(conn, source, keep)
		if err != nil {
			t.add("lost", 0)
		} else {
			t.add(fmt.Sprint(status), time.Since(began))
		}
		if err != nil || !again {
			_ = conn.Close()
			conn = nil
		}
	}
}

// exchange sends one request and reads its answer. It reports whether the connection can be used
// again.
func exchange(conn net.Conn, source string, keep bool) (status int, again bool, err error) {
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	connection := "close"
	if keep {
		connection = "keep-alive"
	}
	text := body(source)
	_, err = fmt.Fprintf(conn,
		"POST %s HTTP/1.1\r\nHost: localhost\r\nConnection: %s\r\nContent-Type: application/json\r\nContent-Length: "+
			"%d\r\n\r\n%s",
		path, connection, len(text), text)
	if err != nil {
		return 0, false, err
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0, false, err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return res.StatusCode, keep && !res.Close, err
}
