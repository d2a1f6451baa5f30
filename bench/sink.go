package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"
)

// sinkArgument makes the program a sink. The sink is the receiver, in its own process, so that its
// work does not count as that of a contender. For the same reason, it also simulates the clients of
// servers.
const sinkArgument = "sink"

// sink is a running sink, as seen from the program that has started it.
type sink struct {
	*process
	url, tls string
}

// sinkQuestion asks for the counts. Reset sets them back to zero. With Verify, the sink looks at
// every messageId from then on, which is slow.
type sinkQuestion struct{ Reset, Verify bool }

// sinkCounts counts what a sink has received since it was reset.
type sinkCounts struct {
	Requests, Events, Bytes int
	// Distinct is the number of different messageIds. It is counted only with Verify.
	Distinct int
	Error    string
}

func startSink(ctx context.Context) (*sink, error) {
	p, err := start(ctx, sinkArgument)
	if err != nil {
		return nil, err
	}
	var at place
	if err := p.answer.Decode(&at); err != nil {
		return nil, fmt.Errorf("read the address of the sink: %w", err)
	}
	return &sink{p, at.Sink, at.TLS}, nil
}

func (s *sink) ask(q sinkQuestion) (counts sinkCounts, err error) {
	return counts, s.call(q, &counts)
}

// serveSink serves on free ports, writes their addresses to out, and runs until in ends.
func serveSink(in io.Reader, out io.Writer) error {
	r := &receiver{loads: map[string]clients{}}
	plain, secure := httptest.NewServer(r), httptest.NewTLSServer(r)
	defer plain.Close()
	defer secure.Close()
	if err := json.NewEncoder(out).Encode(place{Sink: plain.URL, TLS: secure.URL}); err != nil {
		return err
	}
	return loop(in, out, func(q sinkQuestion) (sinkCounts, error) { return r.tell(q), nil })
}

// marker occurs exactly once in every event that is sent here: in its order id. Counting a single
// byte is fast, so the sink uses little CPU time.
const marker = '~'

// receiver answers every POST as Segment does, and counts events.
type receiver struct {
	mu     sync.Mutex
	counts sinkCounts
	verify bool
	ids    map[string]bool
	posts  int
	loads  map[string]clients
}

func (r *receiver) tell(q sinkQuestion) sinkCounts {
	r.mu.Lock()
	defer r.mu.Unlock()
	if q.Reset {
		r.counts, r.verify, r.ids, r.posts = sinkCounts{}, q.Verify, map[string]bool{}, 0
	}
	r.counts.Distinct = len(r.ids)
	return r.counts
}

// after returns the address at which answers are delayed. failing returns the address at which one
// request in n is answered with 503.
func after(url string, d time.Duration) string { return fmt.Sprintf("%s/after/%s", url, d) }
func failing(url string, n int) string         { return fmt.Sprintf("%s/failing/%d", url, n) }

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if strings.HasPrefix(req.URL.Path, drivePath) {
		r.drive(w, req)
		return
	}
	way := strings.Split(req.URL.Path, "/")
	switch way[1] {
	case "after":
		d, _ := time.ParseDuration(way[2])
		time.Sleep(d)
	case "failing":
		var n int
		_, _ = fmt.Sscan(way[2], &n)
		r.mu.Lock()
		r.posts++
		fail := n > 0 && r.posts%n == 0
		r.mu.Unlock()
		if fail {
			_, _ = io.Copy(io.Discard, req.Body)
			http.Error(w, "not now", http.StatusServiceUnavailable)
			return
		}
	}
	if err := r.take(req.Body); err != nil {
		r.mu.Lock()
		r.counts.Error = fmt.Sprintf("%s: %v", req.URL.Path, err)
		r.mu.Unlock()
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header()["Content-Type"] = []string{"application/json"}
	_, _ = io.WriteString(w, `{"success":true}`)
}

func (r *receiver) take(body io.Reader) error {
	r.mu.Lock()
	verify := r.verify
	r.mu.Unlock()
	var ids []string
	var events, size int
	var err error
	if verify {
		var data []byte
		if data, err = io.ReadAll(body); err == nil {
			ids, err = idsOf(data)
			size, events = len(data), bytes.Count(data, []byte{marker})
		}
		if err == nil && events != len(ids) {
			err = fmt.Errorf("the quick count does not agree with the thorough one: %d and %d", events, len(ids))
		}
	} else {
		events, size, err = countEvents(body, make([]byte, 64<<10))
	}
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts.Requests++
	r.counts.Events += events
	r.counts.Bytes += size
	for _, id := range ids {
		r.ids[id] = true
	}
	return nil
}

// countEvents reads a body to its end and counts the markers in it.
func countEvents(body io.Reader, buf []byte) (events, size int, err error) {
	for {
		n, err := body.Read(buf)
		size += n
		events += bytes.Count(buf[:n], []byte{marker})
		if errors.Is(err, io.EOF) {
			return events, size, nil
		}
		if err != nil {
			return events, size, err
		}
	}
}

// idsOf returns the messageIds of all events in a body, which must be one message or a batch.
func idsOf(body []byte) ([]string, error) {
	type message struct {
		MessageID string `json:"messageId"`
		Event     string `json:"event"`
	}
	var whole struct {
		message
		Batch []message `json:"batch"`
	}
	if err := json.Unmarshal(body, &whole); err != nil {
		return nil, err
	}
	messages := whole.Batch
	if messages == nil {
		messages = []message{whole.message}
	}
	var ids []string
	for _, m := range messages {
		if m.MessageID == "" || m.Event == "" {
			return nil, errors.New("an event must have a messageId and a name")
		}
		ids = append(ids, m.MessageID)
	}
	return ids, nil
}
