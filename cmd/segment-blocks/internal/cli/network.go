package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"syscall"
	"time"

	"github.com/go-resty/resty/v2"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/internal/loopback"
	"github.com/aacflow/segment-blocks/runtime"
)

// checkTimeout bounds each look-up over the network: a doctor that hangs is no help.
const checkTimeout = 5 * time.Second

// network returns the HTTP client of doctor and blocks diff. It follows no redirect, which could
// carry what is in the URL to another host. An answer may be as long as a catalog of hundreds of
// blocks.
func network() *resty.Client {
	// A redirect is an answer like any other: it shows that the receiver is there.
	stay := resty.RedirectPolicyFunc(func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse })
	return resty.New().SetTransport(runtime.NewTransport()).SetTimeout(checkTimeout).SetRedirectPolicy(stay).
		SetResponseBodyLimit(32 << 20).SetDisableWarn(true)
}

// bare returns the cause of a failed request, without the URL, which may hold a write key.
func bare(err error) error {
	if failed, ok := errors.AsType[*url.Error](err); ok {
		err = failed.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return errors.New("no answer in time")
	}
	return err
}

// isLocal reports whether a URL leads to this machine, where a key may be shown and http is safe.
func isLocal(address string) bool {
	u, err := url.Parse(address)
	return err == nil && loopback.Host(u.Hostname())
}

// onLoopback reports whether only this machine can reach an address. Where it cannot tell, it says
// no.
func onLoopback(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// urlOf returns the base URL of a server for clients on this machine. People copy it, so it has an
// address that they can open, which that of all interfaces is not.
func urlOf(scheme string, addr net.Addr) string {
	host := addr.String()
	if tcp, ok := addr.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		host = fmt.Sprintf("127.0.0.1:%d", tcp.Port)
	}
	return scheme + "://" + host
}

// tokenVariable may hold the tokens of serve. There is no flag for them, because other users of the
// machine can see command lines.
const tokenVariable = "SEGMENT_BLOCKS_TOKEN"

// cannotListen explains why an address cannot be listened on. The system knows: it is in use, or
// not this machine's, or this user may not. Any other error is the guard's: without a token it
// listens on this machine only.
func cannotListen(address string, err error) error {
	op, ok := errors.AsType[*net.OpError](err)
	if !ok {
		return console.Usage("off loopback, serve needs a token or client certificates: set %s, or give "+
			"--tls-client-ca: %s", tokenVariable, address)
	}
	if _, malformed := errors.AsType[*net.AddrError](op); malformed {
		return console.Usage("--addr must be HOST:PORT, such as 127.0.0.1:8787: %s", address)
	}
	cause := op.Err
	if number, ok := errors.AsType[syscall.Errno](cause); ok {
		cause = number // without the name of the system call
	}
	return console.Failed("cannot listen on %s: %w; choose another with --addr", address, cause)
}
