package mcp

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
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
	replies := &replies{out: out}
	messages := &messageReader{in: bufio.NewReader(closer), most: int(s.cfg.MaxBytes), Closer: closer, replies: replies}
	lines := &sdk.IOTransport{Reader: messages, Writer: replies, MaxLineLength: int(s.cfg.MaxBytes)}
	err := s.endpoints[address{profile: s.cfg.DefaultProfile}].server.Run(withLife(ctx), draining{lines})
	if err != nil && ctx.Err() == nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("serve mcp: %w", err)
	}
	return nil
}

// replies is a writer for one message at a time. Its owner closes what is below it.
type replies struct {
	mu  sync.Mutex
	out io.Writer
}

func (r *replies) Write(message []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.out.Write(message)
}

func (*replies) Close() error { return nil }

// messageReader passes on the lines that hold JSON-RPC, and answers the others as JSON-RPC wants.
// The SDK's transport would end the session at the first line that it cannot read.
type messageReader struct {
	in   *bufio.Reader
	most int // bytes of a line; what is longer is left to the transport, which refuses it
	io.Closer
	replies *replies
	left    []byte // of the line that is being passed on
	err     error  // of the input, after that line
}

func (r *messageReader) Read(p []byte) (int, error) {
	for len(r.left) == 0 {
		if r.err != nil {
			return 0, r.err
		}
		if r.left = r.line(); len(r.left) > r.most {
			break
		}
		message := bytes.TrimSpace(r.left)
		if refusal := refusalOf(message); refusal != "" {
			r.left = nil
			if _, err := io.WriteString(r.replies, refusal+"\n"); err != nil {
				return 0, err
			}
			continue
		}
		message = append(message, '\n') // the transport refuses other white space behind a message
		r.left = message
	}
	n := copy(p, r.left)
	r.left = r.left[n:]
	return n, nil
}

// line reads the next line, or the beginning of one that is too long.
func (r *messageReader) line() (line []byte) {
	for len(line) <= r.most {
		part, err := r.in.ReadSlice('\n')
		line = append(line, part...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			r.err = err
			break
		}
	}
	return line
}

// refusalOf returns the answer to a line that the transport cannot read, or "". The transport skips
// blank lines, and decides on batches by the version of the protocol.
func refusalOf(line []byte) string {
	if len(line) == 0 || line[0] == '[' && json.Valid(line) {
		return ""
	}
	_, err := jsonrpc.DecodeMessage(line)
	switch {
	case err == nil:
		return ""
	case !json.Valid(line):
		return `{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"the line must be JSON"}}`
	}
	return `{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"the line must be a JSON-RPC 2.0 message"}}`
}

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
