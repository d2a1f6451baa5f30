package mcp

import (
	"net/http"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// WithFixtures lets a test mount more on each endpoint than the blocks, and change how it is
// served.
func (c Config) WithFixtures(
	tune func(*sdk.ServerOptions, *sdk.StreamableHTTPOptions),
	mount func(*sdk.Server),
) Config {
	c.tune, c.mount = tune, mount
	return c
}

// Plain reports whether a message is answered without the SDK.
func (s *Server) Plain(h http.Header, body string) bool {
	return s.endpoints[address{profile: Sim}].plain(h, read([]byte(body))) != nil
}
