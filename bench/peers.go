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

// analyticsGo sends with Segment's own client for Go. It gets our transport, which is better for it
// than its default.
func analyticsGo(name string, l load, size int) contender {
	return contender{name: name, open: func(_ context.Context, b *bench) (runner, error) {
		var tracks []analytics.Track
		return runner{
			prepare: func() error {
				for _, e := range makeEvents(l.kinds) {
					tracks = append(tracks, e.track())
				}
				return nil
			},
			run: func(context.Context) (sample, error) {
				defer func() { tracks = nil }()
				transport := runtime.NewTransport()
				defer transport.CloseIdleConnections()
				var problems quiet
				return rateOf(l.events, func() error {
					client, err := analytics.NewWithConfig(writeKey, analytics.Config{
						Endpoint: b.sink.url, BatchSize: size, Interval: time.Minute, Transport: transport, Logger: &problems,
					})
					if err != nil {
						return err
					}
					for i := range l.events {
						if err := client.Enqueue(tracks[i%len(tracks)]); err != nil {
							return err
						}
					}
					return errors.Join(client.Close(), problems.err)
				})
			},
		}, nil
	}}
}

// quiet is a logger of analytics-go that keeps the errors.
type quiet struct{ err error }

func (*quiet) Logf(string, ...any) {}

func (q *quiet) Errorf(format string, args ...any) { q.err = fmt.Errorf(format, args...) }

// analyticsNode sends with Segment's client for Node, in a process of its own that measures itself,
// from the first call on.
func analyticsNode(name string, l load, flushAt int) contender {
	return contender{name: name, rounds: 3, open: func(_ context.Context, b *bench) (runner, error) {
		if nodePackage(b.node) == "" {
			return runner{}, skipped("@segment/analytics-node is not installed: cd bench/node && npm ci")
		}
		node, err := exec.LookPath("node")
		if err != nil {
			return runner{}, skipped("there is no node")
		}
		var events []json.RawMessage
		for _, e := range makeEvents(l.node) {
			events = append(events, json.RawMessage(e.json(timeLayout)))
		}
		task, err := json.Marshal(map[string]any{
			"url": b.sink.url, "writeKey": writeKey, "flushAt": flushAt,
			"events": events,
		})
		if err != nil {
			return runner{}, err
		}
		return runner{run: func(ctx context.Context) (sample, error) {
			cmd := exec.CommandContext(ctx, node, filepath.Join(b.node, "send.mjs"))
			cmd.Stdin = bytes.NewReader(task)
			var stderr strings.Builder
			cmd.Stderr = &stderr
			out, err := cmd.Output()
			if err != nil {
				return sample{}, fmt.Errorf("%w: %s", err, stderr.String())
			}
			var said struct {
				Seconds float64  `json:"seconds"`
				Errors  []string `json:"errors"`
			}
			if err := json.Unmarshal(out, &said); err != nil {
				return sample{}, err
			}
			if len(said.Errors) > 0 {
				return sample{}, errors.New(said.Errors[0])
			}
			return sample{value: float64(l.node) / said.Seconds, sent: l.node}, nil
		}}, nil
	}}
}
