package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aacflow/segment-blocks/runtime"
)

// latencies are the durations of calls, sorted.
type latencies []time.Duration

// micros returns the latency, in microseconds, that a share of the calls did not exceed.
func (l latencies) micros(share float64) float64 {
	if len(l) == 0 {
		return 0
	}
	return float64(l[int(share*float64(len(l)-1))].Nanoseconds()) / 1000
}

// sample returns a sample of calls with these latencies.
func (l latencies) sample() sample {
	return sample{Units: len(l), P50: l.micros(0.5), P99: l.micros(0.99)}
}

// drive makes n calls from a number of concurrent callers. Each caller makes its next call when the
// previous one is done.
func drive(callers, n int, call func(i int) error) (latencies, error) {
	var next atomic.Int64
	errs := make([]error, callers)
	took := make(latencies, n)
	var group sync.WaitGroup
	for w := range callers {
		group.Go(func() {
			for errs[w] == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				begin := time.Now()
				errs[w] = call(i)
				took[i] = time.Since(begin)
			}
		})
	}
	group.Wait()
	slices.Sort(took)
	return took, errors.Join(errs...)
}

// posted is a POST request to make.
type posted struct {
	Path   string
	Header http.Header
	Body   []byte
}

// poster posts with net/http alone, through the same transport that runtimes use.
type poster struct {
	client *http.Client
	base   string
}

func newPoster(base string) poster {
	return poster{client: &http.Client{Transport: runtime.NewTransport()}, base: base}
}

// post sends a request and returns the body of the answer. The status must be 200.
func (b poster) post(ctx context.Context, p posted) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, b.base+p.Path, bytes.NewReader(p.Body))
	if err != nil {
		return nil, err
	}
	req.Header = p.Header
	resp, err := b.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s was answered with %d: %.300s", p.Path, resp.StatusCode, answer)
	}
	return answer, err
}

// clients describes the clients that the sink simulates for a server under measurement.
type clients struct {
	URL      string
	Requests []posted
	Callers  int
	Calls    int
}

const drivePath = "/drive"

// drive stores the clients in the body when the query names none. Otherwise, it has the clients
// that the query names make their calls.
func (r *receiver) drive(w http.ResponseWriter, req *http.Request) {
	fail := func(err error) { http.Error(w, err.Error(), http.StatusInternalServerError) }
	url := req.URL.RawQuery
	if url == "" {
		var c clients
		if err := json.NewDecoder(req.Body).Decode(&c); err != nil {
			fail(err)
			return
		}
		r.mu.Lock()
		r.loads[c.URL] = c
		r.mu.Unlock()
		return
	}
	r.mu.Lock()
	c := r.loads[url]
	r.mu.Unlock()
	p := newPoster(c.URL)
	defer p.client.CloseIdleConnections()
	took, err := drive(c.Callers, c.Calls, func(i int) error {
		answer, err := p.post(req.Context(), c.Requests[i%len(c.Requests)])
		if err == nil &&
			(!bytes.Contains(answer, []byte(`"success":true`)) || bytes.Contains(answer, []byte(`"isError":true`))) {
			err = fmt.Errorf("no success: %.300s", answer)
		}
		return err
	})
	if err != nil {
		fail(err)
		return
	}
	_ = json.NewEncoder(w).Encode(took.sample()) // the one that asks notices a failure
}

// playedBy gives the clients to a sink. They make their calls each time play is called.
func (c clients) playedBy(ctx context.Context, sink string) (play func() (sample, error), err error) {
	data, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	p := newPoster(sink)
	if _, err := p.post(ctx, posted{Path: drivePath, Body: data}); err != nil {
		return nil, err
	}
	return func() (s sample, err error) {
		answer, err := p.post(ctx, posted{Path: drivePath + "?" + c.URL})
		if err != nil {
			return s, err
		}
		return s, json.Unmarshal(answer, &s)
	}, nil
}
