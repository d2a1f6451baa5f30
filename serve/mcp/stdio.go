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
	server := s.endpoints[address{profile: s.cfg.DefaultProfile}].server
	c := &lineConn{
		in: in, out: out, most: int(s.cfg.MaxBytes),
		incoming: make(chan jsonrpc.Message), closed: make(chan struct{}), unanswered: map[any]bool{},
	}
	c.changed.L = &c.mu
	err := server.Run(context.WithValue(ctx, lifeKey{}, ctx), c)
	if err != nil && ctx.Err() == nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("serve mcp: %w", err)
	}
	return nil
}

// lineConn is a transport of one JSON-RPC message a line, and its only connection. Unlike the SDK's
// own it answers a line that is no message, and goes on. And it reports the end of its input only
// when all requests are answered: the SDK then cancels those in progress, so requests piped into a
// program would get no answer.
type lineConn struct {
	in   io.Reader
	out  io.Writer
	most int // bytes of a line

	incoming chan jsonrpc.Message // closed when nothing more comes
	err      error                // why that is so
	closed   chan struct{}
	close    sync.Once

	mu         sync.Mutex   // guards out, too
	unanswered map[any]bool // ids of requests
	changed    sync.Cond    // what unanswered holds
}

func (c *lineConn) Connect(context.Context) (sdk.Connection, error) {
	go c.receive()
	return c, nil
}

func (*lineConn) SessionID() string { return "" }

// receive reads lines to the end of the input, and then waits for the answers. It is a goroutine,
// since a read of a pipe cannot be canceled.
func (c *lineConn) receive() {
	defer close(c.incoming)
	in := bufio.NewReader(c.in)
	for c.err == nil {
		var line []byte
		line, c.err = c.line(in)
		message := c.decode(bytes.TrimSpace(line))
		if message == nil {
			continue
		}
		select {
		case c.incoming <- message:
		case <-c.closed:
			return
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.unanswered) > 0 {
		c.changed.Wait()
	}
}

// line reads the next line. Of one that is too long it keeps the beginning.
func (c *lineConn) line(in *bufio.Reader) (line []byte, err error) {
	for {
		part, err := in.ReadSlice('\n')
		if len(line) <= c.most {
			line = append(line, part...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}

// decode returns the message of a line, or nil if the line has none. It answers a faulty line.
func (c *lineConn) decode(line []byte) jsonrpc.Message {
	if len(line) == 0 {
		return nil
	}
	message, err := jsonrpc.DecodeMessage(line)
	code, text := jsonrpc.CodeInvalidRequest, "the line must be one JSON-RPC 2.0 message"
	switch {
	case len(line) > c.most:
		text = fmt.Sprintf("a message must have at most %d bytes", c.most)
	case err == nil:
		// A subscription is answered only when its client or the connection ends it.
		if r, ok := message.(*jsonrpc.Request); ok && r.IsCall() && r.Method != "subscriptions/listen" {
			c.change(func() { c.unanswered[r.ID.Raw()] = true })
		}
		return message
	case !json.Valid(line):
		code, text = jsonrpc.CodeParseError, "the line must be JSON"
	}
	c.change(func() {
		// If the client reads no more, the next write of an answer says so.
		_, _ = fmt.Fprintf(c.out, `{"jsonrpc":"2.0","id":null,"error":{"code":%d,"message":%q}}`+"\n", code, text)
	})
	return nil
}

func (c *lineConn) Read(ctx context.Context) (jsonrpc.Message, error) {
	select {
	case message, ok := <-c.incoming:
		if !ok {
			return nil, c.err
		}
		return message, nil
	case <-c.closed:
		return nil, io.EOF
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (c *lineConn) Write(_ context.Context, message jsonrpc.Message) error {
	data, err := jsonrpc.EncodeMessage(message)
	if err != nil {
		return err
	}
	c.change(func() {
		_, err = c.out.Write(append(data, '\n'))
		if r, ok := message.(*jsonrpc.Response); ok {
			delete(c.unanswered, r.ID.Raw())
		}
	})
	return err
}

func (c *lineConn) Close() (err error) {
	c.close.Do(func() {
		close(c.closed)
		c.change(func() { clear(c.unanswered) })
		if in, ok := c.in.(io.Closer); ok {
			err = in.Close()
		}
	})
	return err
}

func (c *lineConn) change(do func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	do()
	c.changed.Broadcast()
}
