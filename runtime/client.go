package runtime

import (
	"crypto/tls"
	"net"
	"net/http"
	"time"

	"github.com/go-resty/resty/v2"
)

// maxResponseBytes bounds what resty reads of an answer, when an executor uses [Call.HTTP] itself.
const maxResponseBytes = 1 << 20

// NewTransport returns the transport that a runtime uses by default. It speaks HTTP/1.1, with one
// connection for each request in flight and up to 256 idle connections for each host.
//
// HTTP/2 is off because small posts were slower with it, for one caller as for 16 or 256. Go's
// default of two idle connections for each host would open a new connection for most requests of
// 256 callers.
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
// redirects, which could take messages to a place that the host never named. It keeps no cookies,
// retries nothing by itself, and logs nothing.
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

// silent is a resty logger that discards everything, because requests hold customers' data.
type silent struct{}

func (silent) Errorf(string, ...any) {}
func (silent) Warnf(string, ...any)  {}
func (silent) Debugf(string, ...any) {}
