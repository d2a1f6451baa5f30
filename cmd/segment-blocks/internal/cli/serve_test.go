package cli

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	res, err := http.Get(url) //nolint:gosec // its own server
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, string(body)
}

func TestClientRate(t *testing.T) {
	s := startServing(t, nil, "--client-rate", "1")
	statuses := map[int]int{}
	var last string
	for range 5 {
		status, body := get(t, s.url+"/v1/blocks")
		if statuses[status]++; status != http.StatusOK {
			last = body
		}
	}
	require.Positive(t, statuses[http.StatusTooManyRequests], statuses)
	require.Contains(t, last, "more than the 1 requests a second")

	unlimited := startServing(t, nil, "--client-rate", "0", "--quiet")
	for range 1500 {
		status, _ := get(t, unlimited.url+"/v1/blocks/segment_alias/schema/output")
		require.Equal(t, http.StatusOK, status)
	}

	code, said := runFor(t, nil, "serve", "--client-rate", "-1")
	require.Equal(t, int(exitUsage), code)
	require.Contains(t, said, "--client-rate must not be negative: -1")
}

// Quiet is about requests. What goes wrong, such as with traces, is logged all the same.
func TestQuietLogsWhatGoesWrong(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1") // OpenTelemetry asks the process
	s := startServing(t, nil, "--quiet", "--drain", "3s")
	res, err := http.Post(s.url+"/v1/blocks/segment_alias/invoke", "application/json", strings.NewReader(`{"input":{"userId":"u-42","previousId":"u-41"}}`)) //nolint:gosec // its own server
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusOK, res.StatusCode)
	s.stop(t)
	require.Contains(t, s.stderr.String(), "traces cannot be exported")
	require.NotContains(t, s.stderr.String(), "msg=request")
}
