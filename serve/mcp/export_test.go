package mcp

import sdk "github.com/modelcontextprotocol/go-sdk/mcp"

// Fixtures lets a test mount more on each endpoint than the blocks, and change how it is served.
func Fixtures(tune func(*sdk.ServerOptions, *sdk.StreamableHTTPOptions), mount func(*sdk.Server)) Option {
	return func(s *settings) error {
		s.fixtures = fixtures{tune, mount}
		return nil
	}
}
