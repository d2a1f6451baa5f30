package cli

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// caller sends one request after another on connections that it keeps, as a busy client does, and
// counts what happens to them. It knows what a client of net/http hides: whether a request was
// written on a connection that the server had taken.
type caller struct {
	addr     string
	answered *atomic.Int64
	lost     []string // requests that were written, with no answer, on a connection that had answered before
	unknown  int      // the same on a connection that had not: the server may never have taken it
}

// call goes on until the server does not listen any more.
func (c *caller) call() {
	for {
		conn, err := net.Dial("tcp", c.addr)
		if err != nil {
			return
		}
		c.keep(conn)
		_ = conn.Close()
	}
}

// keep uses a connection until either side ends it.
func (c *caller) keep(conn net.Conn) {
	const body = `{"input":{"userId":"u-42","previousId":"u-41"}}`
	in := bufio.NewReader(conn)
	for answers := 0; ; answers++ {
		req, err := http.NewRequest(
			http.MethodPost,
			"http://"+c.addr+"/v1/blocks/segment_alias/invoke",
			strings.NewReader(body),
		)
		if err != nil {
			panic(err)
		}
		req.Header.Set("Content-Type", "application/json")
		err = req.Write(conn)
		var res *http.Response
		if err == nil {
			res, err = http.ReadResponse(in, req)
		}
		switch {
		case err != nil && answers == 0:
			c.unknown++
			return
		case err != nil:
			c.lost = append(c.lost, err.Error())
			return
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		if c.answered.Add(1); res.Close {
			return
		}
	}
}

// TestDrainLosesNoRequest stops a server in the middle of a load: each request on a connection that
// the server has taken is answered.
func TestDrainLosesNoRequest(t *testing.T) {
	s := startServing(t, nil, "--client-rate", "0", "--quiet")
	var (
		answered atomic.Int64
		done     sync.WaitGroup
		callers  [64]caller
	)
	for i := range callers {
		callers[i] = caller{addr: strings.TrimPrefix(s.url, "http://"), answered: &answered}
		done.Go(callers[i].call)
	}
	require.Eventually(t, func() bool { return answered.Load() > 1000 }, 30*time.Second, time.Millisecond)
	s.stop(t)
	done.Wait()
	unknown := 0
	for _, c := range callers {
		require.Empty(t, c.lost)
		unknown += c.unknown
	}
	t.Logf("%d answered; %d on connections that were set up in the instant of the end", answered.Load(), unknown)
	require.Contains(t, s.stderr.String(), "stopped: every request has been answered")
}

// TestReadyBeforeDeaf: while the server waits for load balancers it is not ready and answers all
// the same.
func TestReadyBeforeDeaf(t *testing.T) {
	s := startServing(t, nil, "--drain-delay", "2s")
	s.interrupt()
	require.Eventually(t, func() bool {
		status, _ := get(t, s.url+"/readyz")
		return status == http.StatusServiceUnavailable
	}, 10*time.Second, time.Millisecond)
	res, err := http.Get(s.url + "/v1/blocks") //nolint:gosec // its own server
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.True(t, res.Close, "the client's next connection goes to another server")
}
