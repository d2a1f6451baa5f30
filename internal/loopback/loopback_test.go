package loopback_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/internal/loopback"
)

func TestHost(t *testing.T) {
	for _, host := range []string{
		"localhost", "LocalHost.", "app.localhost", "127.0.0.1", "127.8.9.1", "::1", "[::1]",
		"::ffff:127.0.0.1",
	} {
		require.True(t, loopback.Host(host), host)
	}
	for _, host := range []string{"", "localhost.example.com", "notlocalhost", "0.0.0.0", "10.0.0.1", "::", "127.1"} {
		require.False(t, loopback.Host(host), host)
	}
}
