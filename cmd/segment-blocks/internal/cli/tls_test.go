package cli

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
)

// authority signs certificates.
type authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string // of its own certificate
}

func newAuthority(t *testing.T) *authority {
	a := &authority{dir: t.TempDir()}
	a.file, _ = a.write(
		t,
		"ca",
		&x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign},
	)
	return a
}

// write makes a certificate and returns the files of it and its key. The first one is the
// authority's own.
func (a *authority) write(t *testing.T, name string, template *x509.Certificate) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template.SerialNumber, err = rand.Int(rand.Reader, big.NewInt(1<<62))
	require.NoError(t, err)
	template.Subject = pkix.Name{CommonName: name}
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	if a.cert == nil {
		a.cert, a.key = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	require.NoError(t, err)
	if template == a.cert {
		a.cert, err = x509.ParseCertificate(der)
		require.NoError(t, err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	certFile, keyFile = filepath.Join(a.dir, name+".pem"), filepath.Join(a.dir, name+".key")
	require.NoError(t, os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	block := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
	require.NoError(t, os.WriteFile(keyFile, block, 0o600))
	return certFile, keyFile
}

func (a *authority) server(t *testing.T, name string) (certFile, keyFile string) {
	return a.write(t, name, &x509.Certificate{
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
}

// client returns a client that trusts the authority, and shows a certificate that an issuer has
// signed, unless that is nil.
func (a *authority) client(t *testing.T, issuer *authority) *http.Client {
	config := &tls.Config{RootCAs: x509.NewCertPool()}
	config.RootCAs.AddCert(a.cert)
	if issuer != nil {
		pair, err := tls.LoadX509KeyPair(
			issuer.write(t, "client", &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}),
		)
		require.NoError(t, err)
		// Shown whether or not the server names its issuer.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
}

func invoke(client *http.Client, url string) (int, string, error) {
	res, err := client.Post(
		url+"/v1/blocks/segment_track/invoke",
		"application/json",
		strings.NewReader(`{"input": {"event": "e", "userId": "u"}}`),
	)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return res.StatusCode, string(body), err
}

func TestServeHTTPS(t *testing.T) {
	a := newAuthority(t)
	cert, key := a.server(t, "server")
	s := startServing(t, nil, "--tls-cert", cert, "--tls-key", key)
	require.True(t, strings.HasPrefix(s.url, "https://127.0.0.1:"), s.url)
	require.Contains(t, s.stdout.String(), `"mcp":"`+s.url+`/mcp"`)
	status, body, err := invoke(a.client(t, nil), s.url)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status, body)
	status, _, err = invoke(http.DefaultClient, strings.Replace(s.url, "https", "http", 1))
	require.NoError(t, err)
	require.Equal(t, http.StatusBadRequest, status, "no plain http")

	old := a.client(t, nil)
	old.Transport.(*http.Transport).TLSClientConfig.MaxVersion = tls.VersionTLS11
	old.Transport.(*http.Transport).TLSClientConfig.MinVersion = tls.VersionTLS10
	_, _, err = invoke(old, s.url)
	require.ErrorContains(t, err, "protocol version")
}

func TestRenewedCertificateIsTakenUp(t *testing.T) {
	a := newAuthority(t)
	cert, key := a.server(t, "server")
	s := startServing(t, nil, "--tls-cert", cert, "--tls-key", key)
	shown := func() string {
		client := a.client(t, nil)
		res, err := client.Get(s.url + "/healthz")
		require.NoError(t, err)
		defer res.Body.Close()
		return res.TLS.PeerCertificates[0].SerialNumber.String()
	}
	first := shown()
	require.Equal(t, first, shown())

	later := time.Now().Add(time.Minute)
	require.NoError(t, os.WriteFile(cert, []byte("half"), 0o600))
	require.NoError(t, os.Chtimes(cert, later, later))
	require.Equal(t, first, shown(), "a file that is no certificate changes nothing")
	require.Equal(t, first, shown())
	require.Equal(t, 1, strings.Count(s.stderr.String(), "the changed certificate cannot be used"), "%s", &s.stderr)

	a.server(t, "server")
	require.NoError(t, os.Chtimes(cert, later.Add(time.Minute), later.Add(time.Minute)))
	require.NotEqual(t, first, shown())
}

func TestClientCertificates(t *testing.T) {
	a, stranger := newAuthority(t), newAuthority(t)
	cert, key := a.server(t, "server")
	// Off loopback, without a token: the certificate is the credential.
	s := startServing(
		t,
		nil,
		"--addr",
		"0.0.0.0:0",
		"--emulator",
		"--drain-delay",
		"0s",
		"--tls-cert",
		cert,
		"--tls-key",
		key,
		"--tls-client-ca",
		a.file,
	)
	status, body, err := invoke(a.client(t, a), s.url)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status, body)
	for name, client := range map[string]*http.Client{"none": a.client(t, nil), "a stranger's": a.client(t, stranger)} {
		_, _, err = invoke(client, s.url)
		require.ErrorContains(t, err, "tls: ", name)
	}

	// Where there is a token as well, both are needed.
	const token = "a-token-that-is-long-enough"
	both := startServing(
		t,
		[]string{tokenVariable + "=" + token},
		"--tls-cert",
		cert,
		"--tls-key",
		key,
		"--tls-client-ca",
		a.file,
	)
	status, _, err = invoke(a.client(t, a), both.url)
	require.NoError(t, err)
	require.Equal(t, http.StatusUnauthorized, status)
}

func TestTLSUsage(t *testing.T) {
	a := newAuthority(t)
	cert, key := a.server(t, "server")
	_, otherKey := a.server(t, "other")
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no key":           {[]string{"--tls-cert", cert}, "go together: --tls-key is missing"},
		"no certificate":   {[]string{"--tls-key", key}, "--tls-cert and --tls-key go together: --tls-cert is missing"},
		"only a client CA": {[]string{"--tls-client-ca", a.file}, "--tls-client-ca needs --tls-cert and --tls-key"},
		"unreadable":       {[]string{"--tls-cert", "none.pem", "--tls-key", key}, "cannot serve https: open none.pem"},
		"no PEM":           {[]string{"--tls-cert", key, "--tls-key", key}, "cannot serve https: tls: "},
		"another's key":    {[]string{"--tls-cert", cert, "--tls-key", otherKey}, "private key does not match"},
		"no client CA": {
			[]string{"--tls-cert", cert, "--tls-key", key, "--tls-client-ca", "none.pem"},
			"cannot read the certificates of --tls-client-ca: open none.pem",
		},
		"empty client CA": {
			[]string{"--tls-cert", cert, "--tls-key", key, "--tls-client-ca", key},
			"the file of --tls-client-ca must hold certificates in PEM: " + key,
		},
		"neither": {
			[]string{"--tls-cert", cert, "--tls-key", key, "--addr", "0.0.0.0:0"},
			"set SEGMENT_BLOCKS_TOKEN, or give --tls-client-ca",
		},
	} {
		t.Run(name, func(t *testing.T) {
			code, said := runFor(t, nil, append([]string{"serve", "--addr", "127.0.0.1:0"}, c.args...)...)
			require.Equal(t, int(console.ExitUsage), code, said)
			require.Contains(t, said, c.want)
		})
	}
}
