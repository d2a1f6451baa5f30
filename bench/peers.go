package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	analytics "gopkg.in/segmentio/analytics-go.v3"

	"github.com/aacflow/segment-blocks/runtime"
)

// analyticsGo returns a contender that sends with Segment's own client for Go. The client uses our
// transport, which makes it faster than its default does.
func analyticsGo(name string, l load, size int) contender {
	return contender{name: name, open: func(_ context.Context, p place) (runner, error) {
		var tracks []analytics.Track
		for _, e := range makeEvents(l.kinds, l.shape) {
			tracks = append(tracks, e.track())
		}
		return runner{run: func(context.Context) (sample, error) {
			err := enqueueAll(p.Sink, size, func(client analytics.Client) error {
				for i := range l.events {
					if err := client.Enqueue(tracks[i%len(tracks)]); err != nil {
						return err
					}
				}
				return nil
			})
			return sample{Units: l.events, Sent: l.events}, err
		}}, nil
	}}
}

// enqueueAll gives events to Segment's client for Go, and waits until they are sent.
func enqueueAll(url string, size int, enqueue func(client analytics.Client) error) error {
	transport := runtime.NewTransport()
	defer transport.CloseIdleConnections()
	var problems quiet
	client, err := analytics.NewWithConfig(writeKey, analytics.Config{
		Endpoint: url, BatchSize: size, Interval: time.Minute, Transport: transport, Logger: &problems,
	})
	if err != nil {
		return err
	}
	return errors.Join(enqueue(client), client.Close(), problems.err)
}

// quiet is a logger for analytics-go that prints nothing and keeps the errors.
type quiet struct{ err error }

func (*quiet) Logf(string, ...any) {}

func (q *quiet) Errorf(format string, args ...any) { q.err = fmt.Errorf(format, args...) }

// analyticsNode returns a contender that sends with Segment's client for Node. The client runs in
// its own process, which measures itself from the first call on.
func analyticsNode(name string, l load, flushAt int) contender {
	return contender{name: name, rounds: 3, open: func(_ context.Context, p place) (runner, error) {
		if nodePackage(p.Node) == "" {
			return runner{}, skipped("@segment/analytics-node is not installed: cd bench/node && npm ci")
		}
		node, err := exec.LookPath("node")
		if err != nil {
			return runner{}, skipped("there is no node")
		}
		var events []json.RawMessage
		for _, e := range makeEvents(l.kinds, l.shape) {
			events = append(events, json.RawMessage(e.message()))
		}
		task, err := json.Marshal(map[string]any{
			"url": p.Sink, "writeKey": writeKey, "flushAt": flushAt, "events": events,
		})
		if err != nil {
			return runner{}, err
		}
		return runner{run: func(ctx context.Context) (sample, error) {
			cmd := exec.CommandContext(ctx, node, filepath.Join(p.Node, "send.mjs"))
			cmd.Stdin = bytes.NewReader(task)
			var stderr strings.Builder
			cmd.Stderr = &stderr
			out, err := cmd.Output()
			if err != nil {
				return sample{}, fmt.Errorf("%w: %s", err, stderr.String())
			}
			s := sample{Units: l.kinds, Sent: l.kinds}
			var said struct{ Errors []string }
			if err := errors.Join(json.Unmarshal(out, &s), json.Unmarshal(out, &said)); err != nil {
				return s, err
			}
			if len(said.Errors) > 0 {
				return s, errors.New(said.Errors[0])
			}
			return s, nil
		}}, nil
	}}
}
