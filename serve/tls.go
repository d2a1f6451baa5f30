package serve

import (
	"crypto/tls"
	"log/slog"
	"os"
	"sync"
	"time"
)

// Certificate reads a certificate and its key from PEM files, for [tls.Config].GetCertificate. It
// reads the files again when they change, so that they can be renewed while the server runs. If the
// changed files hold no valid pair, as between the writing of one and the other, the last pair
// stays in use. The logger gets a line for each change.
func Certificate(
	certFile, keyFile string,
	logger *slog.Logger,
) (func(*tls.ClientHelloInfo) (*tls.Certificate, error), error) {
	c := &certificate{files: [2]string{certFile, keyFile}, logger: logger}
	if err := c.load(c.stamp()); err != nil {
		return nil, err
	}
	return c.get, nil
}

type certificate struct {
	files  [2]string // certificate and key
	logger *slog.Logger

	mu      sync.Mutex
	current *tls.Certificate
	read    [2]fileStamp // of the files when they were last read
}

// fileStamp tells whether a file has changed.
type fileStamp struct {
	at   time.Time
	size int64
}

func (c *certificate) stamp() (stamp [2]fileStamp) {
	for i, name := range c.files {
		if info, err := os.Stat(name); err == nil {
			stamp[i] = fileStamp{info.ModTime(), info.Size()}
		}
	}
	return stamp
}

// load reads the files. It notes their stamp in any case, so that an invalid pair is logged once.
func (c *certificate) load(stamp [2]fileStamp) error {
	c.read = stamp
	pair, err := tls.LoadX509KeyPair(c.files[0], c.files[1])
	if err != nil {
		return err // names the file
	}
	c.current = &pair
	return nil
}

// get is called for each handshake.
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
