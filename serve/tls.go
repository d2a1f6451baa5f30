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
	certFile, keyFile string, logger *slog.Logger,
) (func(*tls.ClientHelloInfo) (*tls.Certificate, error), error) {
	type stamp struct { // tells whether a file has changed
		at   time.Time
		size int64
	}
	stamps := func() (now [2]stamp) {
		for i, name := range []string{certFile, keyFile} {
			if info, err := os.Stat(name); err == nil {
				now[i] = stamp{info.ModTime(), info.Size()}
			}
		}
		return now
	}
	read := stamps()
	current, err := tls.LoadX509KeyPair(certFile, keyFile) // its error names the file
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	return func(*tls.ClientHelloInfo) (*tls.Certificate, error) { // for each handshake
		mu.Lock()
		defer mu.Unlock()
		if now := stamps(); now != read {
			read = now // in any case, so that an invalid pair is logged once
			if pair, err := tls.LoadX509KeyPair(certFile, keyFile); err != nil {
				logger.Warn("the changed certificate cannot be used, the last one serves on", "error", err)
			} else {
				current = pair
				logger.Info("the changed certificate is in use")
			}
		}
		pair := current
		return &pair, nil
	}, nil
}
