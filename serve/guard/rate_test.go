package guard_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/serve/guard"
)

func TestRate(t *testing.T) { synctest.Test(t, testRate) }

func testRate(t *testing.T) {
	g, err := guard.New(guard.Config{Rate: 1.5})
	require.NoError(t, err)
	handler := g.Wrap(http.HandlerFunc(echo), "/healthz")
	from := func(remote, path string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, "http://localhost"+path, nil)
		r.RemoteAddr = remote
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		return w
	}
	for range 3 {
		require.Equal(t, 200, from("10.0.0.1:1000", "/").Code)
	}
	w := from("10.0.0.1:2000", "/")
	requireProblem(t, w.Result(), w.Body.String(), 429, "too_many_requests")
	require.Equal(t, "1", w.Header().Get("Retry-After"))
	require.Contains(t, w.Body.String(), `"retryable":true`)
	require.Equal(t, 200, from("10.0.0.1:1000", "/healthz").Code, "open paths are not limited")
	require.Equal(t, 200, from("10.0.0.2:1000", "/").Code, "another client")

	time.Sleep(700 * time.Millisecond)
	require.Equal(t, 200, from("10.0.0.1:1000", "/").Code)
	require.Equal(t, 429, from("10.0.0.1:1000", "/").Code)
	time.Sleep(time.Hour)
	for range 3 {
		require.Equal(t, 200, from("10.0.0.1:1000", "/").Code)
	}
	require.Equal(t, 429, from("10.0.0.1:1000", "/").Code, "no more than twice the rate is saved up")

	for range 3 {
		require.Equal(t, 200, from("[2001:db8::1]:1", "/").Code)
	}
	require.Equal(t, 429, from("[2001:db8::2]:1", "/").Code, "one network is one client")
	for i := range 10_000 {
		require.Equal(t, 200, from(fmt.Sprintf("[2001:db8:1:%x::1]:1", i), "/").Code)
	}
	require.Equal(t, 200, from("10.0.0.1:1000", "/").Code, "a forgotten client starts afresh")
	require.Equal(t, 200, from("@", "/").Code, "a Unix socket has no address")
}

// Refused requests do not use up the rate of accepted ones. A browser sends the requests of any web
// page from the same address as the programs of its user.
func TestWhatIsRefusedCostsNobodyElse(t *testing.T) {
	for name, headers := range map[string][]string{
		"a foreign origin": {"Origin", "https://evil.example", "Authorization", "Bearer " + token},
		"a rebound name":   {"Host", "evil.example", "Authorization", "Bearer " + token},
		"a wrong token":    {"Authorization", "Bearer wrong-wrong-wrong-wrong"},
	} {
		t.Run(name, func(t *testing.T) {
			server := start(t, guard.Config{Rate: 0.001, Tokens: []string{token}}, echo)
			statuses := map[int]int{}
			for range 20 {
				res, _ := ask(t, server, "GET", "/", "", headers...)
				statuses[res.StatusCode]++
			}
			require.Equal(t, 19, statuses[429], "a flood of refused requests has a limit too: %v", statuses)
			res, _ := ask(t, server, "GET", "/", "", "Authorization", "Bearer "+token)
			require.Equal(t, 200, res.StatusCode)
			res, _ = ask(t, server, "GET", "/", "", "Authorization", "Bearer "+token)
			require.Equal(t, 429, res.StatusCode)
		})
	}
}

func TestRateCanBeOff(t *testing.T) {
	server := start(t, guard.Config{Rate: -1}, echo)
	for range 20 {
		res, _ := ask(t, server, "GET", "/", "")
		require.Equal(t, 200, res.StatusCode)
	}
}
