package cli

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"os"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/settings"
	"github.com/aacflow/segment-blocks/serve"
)

// tlsConfig returns nil if the settings name no certificate.
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
	certificate, err := serve.Certificate(s.TLSCert, s.TLSKey, logger)
	if err != nil {
		return nil, console.Usage("cannot serve https: %w", err)
	}
	config := &tls.Config{
		MinVersion: tls.VersionTLS12,
		// The guard's limits on slow clients are those of a connection with one request at a time.
		NextProtos:     []string{"http/1.1"},
		GetCertificate: certificate,
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
