package cli

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/settings"
)

// tlsConfig returns nil where no TLS is wanted.
func tlsConfig(s settings.Serve, logger *slog.Logger) (*tls.Config, error) {
	switch {
	case s.TLSCert == "" && s.TLSKey == "" && s.TLSClientCA == "":
		return nil, nil
	case s.TLSCert == "" && s.TLSKey == "":
		return nil, console.Usage("--tls-client-ca needs --tls-cert and --tls-key")
	case s.TLSKey == "":
		return nil, console.Usage("--tls-cert and --tls-key go together: --tls-key is missing")
	case s.TLSCert == "":
		return nil, console.Usage("--tls-cert and --tls-key go together: --tls-cert is missing")
	}
	own := &certificate{certFile: s.TLSCert, keyFile: s.TLSKey, logger: logger}
	if err := own.load(own.stamp()); err != nil {
		return nil, console.Usage("cannot serve https: %w", err)
	}
	config := &tls.Config{
		MinVersion: tls.VersionTLS12,
		// The guard's limits on slow clients are those of a connection with one request at a time.
		NextProtos:     []string{"http/1.1"},
		GetCertificate: own.get,
	}
	if s.TLSClientCA == "" {
		return config, nil
	}
	pem, err := os.ReadFile(s.TLSClientCA)
	if err != nil {
		return nil, console.Usage("cannot read the certificates of --tls-client-ca: %w", err)
	}
	config.ClientCAs, config.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
	if !config.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, console.Usage("the file of --tls-client-ca must hold certificates in PEM: %s", s.TLSClientCA)
	}
	return config, nil
}

// certificate is a pair of files that is read again when they change, so that one can be renewed without an interruption.
type certificate struct {
	certFile, keyFile string
	logger            *slog.Logger

	mu      sync.Mutex
	current *tls.Certificate
	read    [2]fileStamp // of the files when they were read last
}

// fileStamp tells whether a file has changed.
type fileStamp struct {
	at   time.Time
	size int64
}

func (c *certificate) stamp() (stamp [2]fileStamp) {
	for i, name := range []string{c.certFile, c.keyFile} {
		if info, err := os.Stat(name); err == nil {
			stamp[i] = fileStamp{info.ModTime(), info.Size()}
		}
	}
	return stamp
}

// load reads the files. It notes their stamp in either case, so that a pair that is no good is complained of once.
func (c *certificate) load(stamp [2]fileStamp) error {
	c.read = stamp
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return err
	}
	c.current = &pair
	return nil
}

// get is called for each handshake. While the files hold no pair, as between the writing of one and the other, the last one serves on.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if stamp := c.stamp(); stamp != c.read {
		if err := c.load(stamp); err != nil {
			c.logger.Warn("the changed certificate cannot be used, the last one serves on", "error", err)
		} else {
			c.logger.Info("the changed certificate is in use")
		}
	}
	return c.current, nil
}

// secured makes a listener speak TLS, unless config is nil.
func secured(ln net.Listener, config *tls.Config) net.Listener {
	if config == nil {
		return ln
	}
	return tls.NewListener(ln, config)
}
