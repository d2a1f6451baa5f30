package retry_test

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-resty/resty/v2"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/aacflow/segment-blocks/runtime/retry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func quick() retry.Policy { return retry.Policy{MaxRetries: 2, BaseDelay: time.Millisecond} }

// serve starts a receiver. answer is told the number of the request, from 1, and its body.
func serve(t *testing.T, answer func(n int, body string, w http.ResponseWriter, r *http.Request)) string {
	t.Helper()
	var mu sync.Mutex
	n := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		n++
		answer(n, string(body), w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func failure(t *testing.T, err error) *retry.Error {
	t.Helper()
	var e *retry.Error
	require.ErrorAs(t, err, &e)
	require.NotContains(t, err.Error(), "\n")
	return e
}

func TestEachAttemptIsFresh(t *testing.T) {
	var seen []string
	url := serve(t, func(n int, body string, w http.ResponseWriter, r *http.Request) {
		seen = append(seen, fmt.Sprint(r.Method, " ", r.Header["X-Retry-Count"], " ", body))
		w.WriteHeader([]int{503, 408, 200}[n-1])
	})
	made := 0
	_, err := retry.New(resty.New()).Send(t.Context(), &retry.Request{
		Method: http.MethodPut, URL: url, Policy: quick(),
		Body: func() ([]byte, error) { made++; return []byte(fmt.Sprint(made)), nil },
	})
	require.NoError(t, err)
	require.Equal(t, []string{"PUT [] 1", "PUT [1] 2", "PUT [2] 3"}, seen)
}

func TestBodyThatCannotBeMade(t *testing.T) {
	url := serve(t, func(int, string, http.ResponseWriter, *http.Request) { t.Error("something was sent") })
	full := errors.New("the disk is full")
	_, err := retry.New(resty.New()).Send(t.Context(), &retry.Request{
		URL: url, Policy: quick(), Body: func() ([]byte, error) { return nil, full },
	})
	e := failure(t, err)
	require.ErrorIs(t, err, full)
	require.Equal(t, 1, e.Attempts)
	require.False(t, e.Sent)
	require.False(t, e.InDoubt)
}

// What may be an acceptance cannot be read, so the request is tried again, and is in doubt.
func TestAnswersThatCannotBeRead(t *testing.T) {
	for name, answer := range map[string]func(w http.ResponseWriter){
		"too long": func(w http.ResponseWriter) { _, _ = io.WriteString(w, strings.Repeat("x", 65<<10)) },
		"a bomb": func(w http.ResponseWriter) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			_, _ = io.Copy(z, io.LimitReader(zeros{}, 64<<20))
			_ = z.Close()
		},
		"cut": func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "x")
		},
	} {
		t.Run(name, func(t *testing.T) {
			attempts := 0
			url := serve(t, func(n int, _ string, w http.ResponseWriter, _ *http.Request) { attempts = n; answer(w) })
			client := resty.New()
			defer client.GetClient().CloseIdleConnections()
			_, err := retry.New(client).Send(t.Context(), &retry.Request{URL: url, Policy: quick()})
			e := failure(t, err)
			require.Equal(t, retry.Unavailable, e.Code)
			require.Equal(t, 200, e.Status)
			require.True(t, e.InDoubt)
			require.Equal(t, 3, attempts)
		})
	}
}

// The body of such an answer is the connection itself, and no timeout would end a read of it.
func TestSwitchingProtocols(t *testing.T) {
	url := serve(t, func(_ int, _ string, w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
	})
	sent := make(chan error, 1)
	go func() {
		_, err := retry.New(resty.New()).Send(t.Context(), &retry.Request{URL: url, Policy: quick()})
		sent <- err
	}()
	select {
	case err := <-sent:
		e := failure(t, err)
		require.Equal(t, retry.Unavailable, e.Code)
		require.Equal(t, 101, e.Status)
		require.True(t, e.InDoubt)
	case <-time.After(20 * time.Second):
		t.Fatal("the answer is still being read")
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// A vendor says which statuses differ, and what a body means.
func TestJudge(t *testing.T) {
	url := serve(t, func(n int, _ string, w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader([]int{http.StatusLocked, http.StatusOK}[n-1])
	})
	judge := func(a *retry.Answer) retry.Decision {
		if a.Status == http.StatusLocked {
			return retry.Decision{Code: retry.Unavailable, Retry: true}
		}
		return retry.Judge(a)
	}
	answer, err := retry.New(resty.New()).Send(t.Context(), &retry.Request{URL: url, Judge: judge, Policy: quick()})
	require.NoError(t, err)
	require.Equal(t, 2, answer.Attempts)
}

// A pause holds for one credential at one place.
func TestPauseIsOfACredential(t *testing.T) {
	url := serve(t, func(_ int, _ string, w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "greedy" {
			w.Header().Set("Retry-After", "100")
			w.WriteHeader(http.StatusTooManyRequests)
		}
	})
	client := retry.New(resty.New())
	send := func(credential string) error {
		_, err := client.Send(t.Context(), &retry.Request{
			URL: url, Credential: credential, Header: http.Header{"Authorization": {credential}},
			Policy: retry.Policy{RateLimitBudget: -1},
		})
		return err
	}
	require.Equal(t, 1, failure(t, send("greedy")).Attempts)
	again := failure(t, send("greedy"))
	require.Zero(t, again.Attempts)
	require.Equal(t, retry.RateLimited, again.Code)
	require.Greater(t, again.RetryAfter, 90*time.Second)
	require.NoError(t, send("modest"))
}

func TestRedactBeforeCutting(t *testing.T) {
	url := serve(t, func(_ int, _ string, w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"error":{"code":"bad","message":"`+strings.Repeat("x", 290)+` s3cret"}}`)
	})
	_, err := retry.New(resty.New()).Send(t.Context(), &retry.Request{
		URL: url, Redact: func(text string) string { return strings.ReplaceAll(text, "s3cret", "*") },
	})
	require.Equal(t, "bad: "+strings.Repeat("x", 290)+" *", failure(t, err).Text)
}
