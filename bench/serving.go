package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"

	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/serve"
	"github.com/aacflow/segment-blocks/serve/guard"
)

// serving measures what it costs to serve a call by REST and by MCP. The sink simulates the
// clients.
func serving(set settings) []group {
	const callers, each = 16, 500
	calls, posts := set.scaled(4_000), set.scaled(80)
	event := makeEvents(1, large())[0].call()
	batch := documents(makeEvents(each, usual()), each)[0]
	invoke := contender{name: "Invoke call", open: func(_ context.Context, p place) (runner, error) {
		rt, err := newRuntime(sourceOf(p.Sink))
		return invokingTrack(rt, callers, calls), err
	}}
	inProcess := invoking("Invoke batch", load{usual(), posts * each, posts * each, each, callers}, rawInput)
	cpu := cpuMicros()
	return []group{{
		name: "serve", rounds: 9,
		contenders: []contender{
			inProcess, invoke,
			served("REST batch", callers, posts, each, restRequest("segment_batch", batch)),
			served("REST call", callers, calls, 1, restRequest("segment_track", event)),
			served("MCP call", callers, calls, 1, toolCall("segment_track", event)),
		},
		lines: []line{
			cpuMillion().of("rest/batch", atMost(1.5), "segment_batch of 500 events by REST, over Invoke of the same",
				"REST batch").over(ratio, "Invoke batch"),
			cpu.of("rest/call", goal{}, "CPU time that REST adds to Invoke of segment_track", "REST call").
				over(added, "Invoke call"),
			cpu.of("mcp/call", atMost(1.3), "segment_track by MCP, over REST", "MCP call").over(ratio, "REST call"),
			kilobytes().of("mcp/call/allocated", goal{}, "memory allocated per call by MCP, over REST", "MCP call").
				over(ratio, "REST call"),
		},
	}}
}

func header(accept string) http.Header {
	return http.Header{"Content-Type": {"application/json"}, "Accept": {accept}}
}

func restRequest(block string, input []byte) posted {
	return posted{
		Path: "/v1/blocks/" + block + "/invoke", Header: header("application/json"),
		Body: fmt.Appendf(nil, `{"input":%s}`, input),
	}
}

func toolCall(tool string, input []byte) posted {
	h := header("application/json, text/event-stream")
	h.Set("MCP-Protocol-Version", "2025-11-25")
	return posted{Path: "/mcp", Header: h, Body: fmt.Appendf(nil,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":%q,"arguments":%s}}`, tool, input)}
}

// served returns a contender that answers clients as segment-blocks serve does, but without a limit
// on the rate of each client.
func served(name string, callers, n, events int, request posted) contender {
	return contender{name: name, open: func(ctx context.Context, p place) (runner, error) {
		rt, err := newRuntime(sourceOf(p.Sink))
		if err != nil {
			return runner{}, err
		}
		reg, err := newRegistry()
		if err != nil {
			return runner{}, err
		}
		g, err := guard.New(guard.Config{Rate: -1, Quiet: true})
		if err != nil {
			return runner{}, err
		}
		server, err := serve.New(rt, reg, serve.Config{Guard: g})
		if err != nil {
			return runner{}, err
		}
		var config net.ListenConfig
		ln, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return runner{}, err
		}
		ctx, stop := context.WithCancel(ctx)
		ended := make(chan error, 1)
		go func() { ended <- server.Serve(ctx, ln) }()
		c := clients{URL: "http://" + ln.Addr().String(), Requests: []posted{request}, Callers: callers, Calls: n}
		play, err := c.playedBy(ctx, p.Sink)
		return runner{run: func(context.Context) (sample, error) {
			s, err := play()
			s.Units = n * events
			s.Sent = n * events
			return s, err
		}, close: func() {
			stop()
			_ = <-ended // the server has stopped
			_ = rt.Close(context.WithoutCancel(ctx))
		}}, err
	}}
}

// largeInputs measures inputs of the largest size. Their kinds are chosen to cost more than their
// size suggests.
func largeInputs(set settings) []group {
	size := set.scaled(32<<20 - 1<<10)
	repeated := func(before, element, after string) []byte {
		var b bytes.Buffer
		b.Grow(size + len(element) + len(after))
		b.WriteString(before)
		for i := 0; b.Len() < size-len(after)-len(element)-20; i++ {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, element, i)
		}
		b.WriteString(after)
		return b.Bytes()
	}
	g := group{name: "inputs", rounds: 3}
	const track, batch = "segment_track", "segment_batch"
	for _, in := range []struct{ name, block, before, element, after string }{
		{"small messages", batch, `{"batch":[`, `{"type":"track","userId":"u%d","event":"E"}`, `]}`},
		{
			"messages with blanks", batch, `{"batch":[`, `{"type":"track","userId":"u%d","event":"E","anonymousId":""}`,
			`]}`,
		},
		{"empty messages", batch, `{"batch":[`, `{}%.0d`, `]}`},
		{"numbers for messages", batch, `{"batch":[`, `%d`, `]}`},
		{"blank messages", batch, `{"batch":[`, `{"type":"track","event":"","userId":null,"n":%d}`, `]}`},
		{"references", track, `{"event":"E","userId":"u","properties":{"list":[`, `"{{A%d}}"`, `]}}`},
		{"huge properties", track, `{"event":"E","userId":"u","properties":{`, `"n%d":0`, `}}`},
		{"unknown parameters", track, `{`, `"n%d":0`, `}`},
	} {
		g.contenders = append(g.contenders,
			contender{name: in.name, open: func(context.Context, place) (runner, error) {
				rt, err := newRuntime(sourceOf("http://127.0.0.1:9"))
				input := runtime.JSON(repeated(in.before, in.element, in.after))
				return runner{run: func(ctx context.Context) (sample, error) {
					_ = rt.Validate(ctx, in.block, input) // most of them are refused
					return sample{Units: 1}, nil
				}}, err
			}})
	}
	var all []string
	for _, c := range g.contenders {
		all = append(all, c.name)
	}
	g.lines = []line{
		cpuWhole().of("inputs/cpu", atMost(10), "CPU time to validate 32 MiB of input", all...),
		megabytes().of("inputs/memory", atMost(512), "peak memory to validate 32 MiB of input, with that input", all...),
	}
	return []group{g}
}
