package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// sinkArgument makes the program a sink.
const sinkArgument = "sink"

// slowPath is what the paths of requests begin with that are answered after a time.
const slowPath = "/after/"

// slow returns such a beginning.
func slow(d time.Duration) string { return slowPath + d.String() }

// slowness is how long to wait with the answer to a request.
func slowness(path string) time.Duration {
	rest, ok := strings.CutPrefix(path, slowPath)
	if !ok {
		return 0
	}
	said, _, _ := strings.Cut(rest, "/")
	d, _ := time.ParseDuration(said) // 0 of what is none
	return d
}

// marker stands once in every event that is sent here, in its order id, and nowhere else. One byte
// can be counted faster than anything else, so that the sink is not what is measured.
const marker = '~'

// counts are what a sink has got since it was reset.
type counts struct {
	Requests int `json:"requests"`
	Events   int `json:"events"`
	Bytes    int `json:"bytes"`
	// Distinct is how many different messageIds there were. It is counted only while the sink
	// verifies.
	Distinct int `json:"distinct"`
}

// receiver answers every POST as Segment does, and counts.
type receiver struct {
	buffers sync.Pool

	mu     sync.Mutex
	counts counts
	verify bool
	ids    map[string]bool
	err    error
}

// serveSink serves on a port of its own choice, prints the address and goes on until in ends.
func serveSink(in io.Reader, out io.Writer) error {
	var config net.ListenConfig
	ln, err := config.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	r := &receiver{buffers: sync.Pool{New: func() any { b := make([]byte, 256<<10); return &b }}}
	server := &http.Server{Handler: r, ReadHeaderTimeout: time.Minute}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(ln) }()
	if _, err := fmt.Fprintln(out, "http://"+ln.Addr().String()); err != nil {
		return err
	}
	go func() {
		_, _ = io.Copy(io.Discard, in) // ends with the one who started this
		_ = server.Close()
	}()
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	switch req.URL.Path {
	case "/reset":
		r.mu.Lock()
		r.counts, r.err, r.ids = counts{}, nil, nil
		if r.verify = req.URL.Query().Has("verify"); r.verify {
			r.ids = map[string]bool{}
		}
		r.mu.Unlock()
		return
	case "/counts":
		r.mu.Lock()
		got, err := r.counts, r.err
		got.Distinct = len(r.ids)
		r.mu.Unlock()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_ = json.NewEncoder(w).Encode(got) // the one who asks will notice
		return
	}
	if err := r.take(req); err != nil {
		r.mu.Lock()
		r.err = errors.Join(r.err, err)
		r.mu.Unlock()
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if d := slowness(req.URL.Path); d > 0 {
		time.Sleep(d)
	}
	w.Header()["Content-Type"] = []string{"application/json"}
	_, _ = io.WriteString(w, `{"success":true}`)
}

func (r *receiver) take(req *http.Request) error {
	r.mu.Lock()
	verify := r.verify
	r.mu.Unlock()
	got := counts{Requests: 1}
	var ids []string
	var err error
	if verify {
		var body []byte
		if body, err = io.ReadAll(req.Body); err == nil {
			got.Bytes = len(body)
			ids, err = idsOf(body)
			got.Events = len(ids)
			if n := bytes.Count(body, []byte{marker}); err == nil && n != len(ids) {
				err = fmt.Errorf("the quick count does not agree with the thorough one: %d and %d", n, len(ids))
			}
		}
	} else {
		buf := r.buffers.Get().(*[]byte)
		got.Events, got.Bytes, err = countEvents(req.Body, *buf)
		r.buffers.Put(buf)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", req.URL.Path, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts.Requests += got.Requests
	r.counts.Events += got.Events
	r.counts.Bytes += got.Bytes
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
