package tracking_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/segment/tracking"
)

func TestGzip(t *testing.T) {
	r := newReceiver(t, reply{status: 503}, reply{})
	source := r.source()
	source.Gzip = true
	var messages []tracking.Message
	for i := range 200 {
		messages = append(messages,
			item(t, fmt.Sprintf(`{"type":"track","event":"Order Completed","userId":"u-%d"}`, i)))
	}
	report, err := source.Send(t.Context(), r.client(), tracking.Call{Messages: messages, InvocationID: "run-1"})
	require.NoError(t, err)
	require.Equal(t, 200, report.Accepted)
	got := r.requests()
	require.Len(t, got, 2, "the first is tried again")
	size := 0
	for _, p := range got {
		require.Equal(t, "gzip", p.header.Get("Content-Encoding"))
		unpacked, err := gzip.NewReader(bytes.NewReader(p.body))
		require.NoError(t, err)
		packed := len(p.body)
		p.body, err = io.ReadAll(unpacked)
		require.NoError(t, err)
		require.Greater(t, len(p.body), 5*packed)
		size += len(p.body)
		list := p.messages(t)
		require.Len(t, list, 200)
		require.Equal(t, "u-7", list[7]["userId"])
	}
	require.Equal(t, size, report.Bytes, "what is reported is the size before compression")
}

func TestGzipLeavesSmallBodiesAlone(t *testing.T) {
	r := newReceiver(t, reply{})
	source := r.source()
	source.Gzip = true
	_, err := source.Send(t.Context(), r.client(), alone(item(t, `{"type":"track","event":"e","userId":"u"}`)))
	require.NoError(t, err)
	require.Empty(t, r.requests()[0].header.Get("Content-Encoding"))
	require.Equal(t, "e", r.requests()[0].fields(t)["event"])
}
