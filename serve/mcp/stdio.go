package mcp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// Serve talks with one client over a pair of streams, one message a line, until in or ctx ends. It
// sends to the default source, in the default profile. When in ends, it first answers the calls in
// progress; when ctx ends, it cancels them. Both are a normal end and return nil.
//
// If in is an [io.Closer], Serve closes it. Otherwise in must end for the goroutine that reads it
// to end. Serve writes nothing but messages to out, and leaves it open.
func (s *Server) Serve(ctx context.Context, in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	closer, ok := in.(io.ReadCloser)
	if !ok {
		closer = io.NopCloser(in)
	}
	lines := &sdk.IOTransport{Reader: closer, Writer: unclosed{out}, MaxLineLength: int(s.cfg.MaxBytes)}
	err := s.endpoints[address{profile: s.cfg.DefaultProfile}].server.Run(withLife(ctx), draining{lines})
	if err != nil && ctx.Err() == nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("serve mcp: %w", err)
	}
	return nil
}

// unclosed is a writer that its owner closes.
type unclosed struct{ io.Writer }

func (unclosed) Close() error { return nil }

// draining is a transport that reports the end of its input only when all requests are answered.
// The SDK cancels the requests in progress when the input ends, so requests piped into a program
// would get no answer.
type draining struct{ sdk.Transport }

func (d draining) Connect(ctx context.Context) (sdk.Connection, error) {
	conn, err := d.Transport.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &drainingConn{Connection: conn, unanswered: map[any]bool{}, changed: make(chan struct{}, 1)}, nil
}

type drainingConn struct {
	sdk.Connection
	changed chan struct{} // gets a value after each change of what is below

	mu         sync.Mutex
	unanswered map[any]bool // ids of requests; nil once the connection is closed
}

func (c *drainingConn) Read(ctx context.Context) (jsonrpc.Message, error) {
	msg, err := c.Connection.Read(ctx)
	if err != nil {
		c.drain(ctx)
		return msg, err
	}
	// A subscription is answered only when its client or the connection ends it.
	if r, ok := msg.(*jsonrpc.Request); ok && r.IsCall() && r.Method != "subscriptions/listen" {
		c.change(func() {
			if c.unanswered != nil {
				c.unanswered[r.ID.Raw()] = true
			}
		})
	}
	return msg, nil
}

func (c *drainingConn) Write(ctx context.Context, msg jsonrpc.Message) error {
	err := c.Connection.Write(ctx, msg)
	if r, ok := msg.(*jsonrpc.Response); ok {
		c.change(func() { delete(c.unanswered, r.ID.Raw()) })
	}
	return err
}

func (c *drainingConn) Close() error {
	c.change(func() { c.unanswered = nil })
	return c.Connection.Close()
}

func (c *drainingConn) change(do func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	do()
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// drain waits until each request is answered, or the connection is closed.
func (c *drainingConn) drain(ctx context.Context) {
	for {
		c.mu.Lock()
		left := len(c.unanswered)
		c.mu.Unlock()
		if left == 0 {
			return
		}
		select {
		case <-c.changed:
		case <-ctx.Done():
			return
		}
	}
}
