package guard_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/serve/guard"
)

// One client cannot take the streams of all others, and what is closed makes room.
func TestStreams(t *testing.T) {
	var streams guard.Streams
	open := func(client int) (func(), *guard.Problem) {
		r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
		r.RemoteAddr = fmt.Sprintf("192.0.2.%d:1234", client)
		return streams.Open(r)
	}
	var closers []func()
	for client := range 4 {
		for range 16 {
			closeStream, full := open(client)
			require.Nil(t, full)
			closers = append(closers, closeStream)
		}
		_, full := open(client)
		require.NotNil(t, full)
		require.Contains(t, full.Detail, "16")
	}
	_, full := open(9)
	require.NotNil(t, full)
	require.Contains(t, full.Detail, "64")
	require.Equal(t, http.StatusServiceUnavailable, full.Status)
	closers[0]()
	_, full = open(9)
	require.Nil(t, full)
}
