package runtime

import (
	"crypto/tls"
	"net"
	"net/http"
	"time"

	"github.com/go-resty/resty/v2"
)

// maxResponseBytes bounds what is read of an answer. Segment's are a few bytes; an error page of a
// proxy may be more.
const maxResponseBytes = 1 << 20

// NewTransport returns the transport that a runtime uses unless it is given one: HTTP/1.1,
// with one connection for each request in flight and up to 256 idle connections for each host.
//
// HTTP/2 is off because it measured slower for small posts, alone and at 16 or 256 callers; Go's
// default of two idle connections a host costs a new connection for most requests at 256 callers.
func NewTransport() *http.Transport {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           dialer.DialContext,
		TLSHandshakeTimeout:   10 * time.Second,
		TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12},
		TLSNextProto:          map[string]func(string, *tls.Conn) http.RoundTripper{},
		MaxIdleConnsPerHost:   256,
		IdleConnTimeout:       90 * time.Second, // also bounds how long a stale DNS answer is used
		ExpectContinueTimeout: time.Second,
		WriteBufferSize:       64 << 10,
	}
}

// newClient wraps a transport in the resty client that all executors share. It does not follow
// redirects, which would carry messages to a place the host never named; it keeps no cookies,
// retries nothing by itself and logs nothing.
func newClient(transport http.RoundTripper) *resty.Client {
	client := resty.NewWithClient(&http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	})
	client.SetLogger(silent{})
	client.SetDisableWarn(true)
	client.SetResponseBodyLimit(maxResponseBytes)
	return client
}

// silent is a resty logger that drops everything: requests hold customers' data.
type silent struct{}

func (silent) Errorf(string, ...any) {}
func (silent) Warnf(string, ...any)  {}
func (silent) Debugf(string, ...any) {}
