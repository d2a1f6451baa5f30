package mcp

import (
	"context"
	"errors"
	"fmt"
	"io"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// Serve talks with one client over a pair of streams, a message a line, until in ends or ctx does; both are an end as wished, and return nil.
// When in ends, the calls under way are answered first; when ctx does, they are canceled. It sends to the default source, in
// the default profile.
//
// Where in is an [io.Closer] it is closed at the end; one that is not must end by itself, or a goroutine goes on reading it.
// Nothing but messages is written to out, which stays open.
func (s *Server) Serve(ctx context.Context, in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	closer, ok := in.(io.ReadCloser)
	if !ok {
		closer = io.NopCloser(in)
	}
	transport := draining{&sdk.IOTransport{Reader: closer, Writer: unclosed{out}, MaxLineLength: int(s.settings.maxBytes)}}
	err := s.endpoints[place{profile: s.settings.profile}].server.Run(withLife(ctx), transport)
	if err != nil && ctx.Err() == nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("serve mcp: %w", err)
	}
	return nil
}

// unclosed is a writer that its owner closes.
type unclosed struct{ io.Writer }

func (unclosed) Close() error { return nil }
