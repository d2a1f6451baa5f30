package main

import (
	"bytes"
	"context"
	"io"
	"maps"
	"net/http"
	"time"

	"github.com/go-resty/resty/v2"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/runtime/retry"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

// callParts measures the parts of a call. Each contender does what the one before it does, and one
// thing more.
func callParts(set settings) group {
	const callers = 16
	n := set.scaled(6_000)
	g := group{name: "call/parts", rounds: 9}
	part := func(name, note string, open func(context.Context, place) (runner, error)) {
		c := contender{name: "part " + name, open: open}
		if len(g.contenders) > 0 {
			before := g.contenders[len(g.contenders)-1].name
			g.lines = append(g.lines, cpuMicros().of("call/parts/"+name, goal{}, note, c.name).over(added, before))
		}
		g.contenders = append(g.contenders, c)
	}
	part("net/http", "", posting(callers, n, func(p place) send { return bare(p.Sink) }))
	part("deadline", "a deadline for each attempt", posting(callers, n, withDeadline))
	part("resty", "resty around net/http", posting(callers, n, withResty))
	part("retry", "package retry around resty", posting(callers, n, withRetry))
	part("tracking", "package tracking, which writes the message", func(_ context.Context, p place) (runner, error) {
		var messages []tracking.Message
		for _, e := range makeEvents(callers, large()) {
			fields, err := rawjson.ParseObject(e.call(), rawjson.Limits{})
			if err != nil {
				return runner{}, err
			}
			messages = append(messages, tracking.NewMessage(tracking.Track, fields))
		}
		source, client := sourceOf(p.Sink), tracking.NewClient(newResty())
		return driving(callers, n, n, func(ctx context.Context, i int) error {
			i %= callers
			_, err := source.Send(ctx, client, tracking.Call{Messages: messages[i : i+1], Alone: true})
			return err
		}), nil
	})
	part("Invoke", "package runtime, which reads the input and makes output and receipt",
		func(_ context.Context, p place) (runner, error) {
			rt, err := newRuntime(sourceOf(p.Sink))
			return invokingTrack(rt, callers, n), err
		})
	return g
}

// send is a way to post a request. Its answer must be 200.
type send func(ctx context.Context, r posted) error

// posting makes n calls, each of which posts the same request as Invoke. open returns the way to
// post it.
func posting(callers, n int, open func(p place) send) func(context.Context, place) (runner, error) {
	return func(ctx context.Context, p place) (runner, error) {
		requests, err := wire(ctx, "segment_track", trackInputs(callers)...)
		post := open(p)
		return driving(callers, n, callers, func(ctx context.Context, i int) error {
			return post(ctx, requests[i%callers])
		}), err
	}
}

// driving returns a runner that makes n calls with a number of different events.
func driving(callers, n, distinct int, call func(ctx context.Context, i int) error) runner {
	return runner{run: func(ctx context.Context) (sample, error) {
		took, err := drive(callers, n, func(i int) error { return call(ctx, i) })
		s := took.sample()
		s.Sent, s.Distinct = n, distinct
		return s, err
	}}
}

func bare(url string) send {
	client := newPoster(url)
	return func(ctx context.Context, r posted) error {
		_, err := client.post(ctx, r)
		return err
	}
}

func withDeadline(p place) send {
	post := bare(p.Sink)
	return func(ctx context.Context, r posted) error {
		ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
		defer cancel()
		return post(ctx, r)
	}
}

func newResty() *resty.Client {
	return resty.NewWithClient(&http.Client{Transport: runtime.NewTransport()}).SetDisableWarn(true)
}

func withResty(p place) send {
	client := newResty()
	return func(ctx context.Context, r posted) error {
		ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
		defer cancel()
		req := client.R().SetContext(ctx).SetDoNotParseResponse(true).SetBody(bytes.NewReader(r.Body))
		maps.Copy(req.Header, r.Header)
		resp, err := req.Post(p.Sink + r.Path)
		if err != nil {
			return err
		}
		defer func() { _ = resp.RawBody().Close() }()
		_, err = io.ReadAll(resp.RawBody())
		return err
	}
}

func withRetry(p place) send {
	client := retry.New(newResty())
	return func(ctx context.Context, r posted) error {
		_, err := client.Send(ctx, &retry.Request{
			URL: p.Sink + r.Path, Endpoint: p.Sink, Credential: writeKey, Header: r.Header,
			Body: func() ([]byte, error) { return r.Body, nil },
		})
		return err
	}
}
