package guard_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/serve/guard"
)

// One client cannot take up the streams of all others, and a closed stream makes room.
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

func TestStreamIsKeptAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
		defer cancel()
		recorder, never := httptest.NewRecorder(), make(chan struct{})
		guard.Stream(recorder, httptest.NewRequestWithContext(ctx, http.MethodGet, "/", http.NoBody), never,
			func(chunk []byte) ([]byte, <-chan struct{}, bool) { return chunk, never, false })
		require.Equal(t, ": connected\n\n: alive\n\n: alive\n\n", recorder.Body.String())
	})
}
