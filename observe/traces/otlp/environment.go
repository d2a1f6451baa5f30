package otlp

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// config holds the values of the exporter's variables.
type config struct {
	endpoint *url.URL
	headers  map[string]string
	timeout  time.Duration
	gzip     bool
	tls      *tls.Config // nil for the defaults
}

// environment reads variables. A variable without a value counts as not set.
type environment func(name string) string

// signal reads a variable of the exporter: the one for traces, else the one for all signals. It
// also returns the name of the one that is set.
func (env environment) signal(name string) (variable, value string) {
	for _, prefix := range []string{"OTEL_EXPORTER_OTLP_TRACES_", "OTEL_EXPORTER_OTLP_"} {
		variable = prefix + name
		if value = strings.TrimSpace(env(variable)); value != "" {
			break
		}
	}
	return variable, value
}

// readEnvironment also returns whether traces are to be exported at all.
func readEnvironment(env environment) (c *config, on bool, err error) {
	_, endpoint := env.signal("ENDPOINT")
	exporter := strings.TrimSpace(env("OTEL_TRACES_EXPORTER"))
	disabled := strings.EqualFold(strings.TrimSpace(env("OTEL_SDK_DISABLED")), "true")
	switch {
	case endpoint == "" || disabled || exporter == "none":
		return nil, false, nil
	case exporter != "" && exporter != "otlp":
		return nil, false, fmt.Errorf("OTEL_TRACES_EXPORTER must be otlp or none: %q", exporter)
	}
	c = &config{}
	for _, read := range []func(environment) error{
		readProtocol, c.readEndpoint, c.readHeaders, c.readTimeout, c.readCompression, c.readTLS,
	} {
		if err := read(env); err != nil {
			return nil, false, err
		}
	}
	return c, true, nil
}

func readProtocol(env environment) error {
	if variable, protocol := env.signal("PROTOCOL"); protocol != "" && protocol != "http/protobuf" {
		return fmt.Errorf("%s must be http/protobuf, the only protocol that is spoken here: %q", variable, protocol)
	}
	return nil
}

func (c *config) readEndpoint(env environment) error {
	variable, text := env.signal("ENDPOINT")
	u, err := url.Parse(text)
	switch {
	case strings.Contains(text, "@"):
		return fmt.Errorf("%s must hold no credentials: they belong into OTEL_EXPORTER_OTLP_HEADERS", variable)
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return fmt.Errorf("%s must be a URL of http or https, such as http://127.0.0.1:4318: %q", variable, text)
	case variable == "OTEL_EXPORTER_OTLP_ENDPOINT":
		u = u.JoinPath("v1", "traces")
	case u.Path == "":
		u.Path = "/"
	}
	c.endpoint = u
	return nil
}

// readHeaders shows neither names nor values in its errors: either may be a misplaced token.
func (c *config) readHeaders(env environment) error {
	c.headers = map[string]string{}
	variable, text := env.signal("HEADERS")
	for i, pair := range strings.Split(text, ",") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		name, value, ok := strings.Cut(pair, "=")
		name = strings.TrimSpace(name)
		value, err := url.PathUnescape(strings.TrimSpace(value))
		bad := strings.Contains(name, " ") || strings.ContainsFunc(name+value, unicode.IsControl)
		if !ok || err != nil || name == "" || bad {
			return fmt.Errorf("%s must be a list such as name=value,name=value, with special characters in values "+
				"as %%XX: entry %d is not", variable, i+1)
		}
		c.headers[name] = value
	}
	return nil
}

func (c *config) readTimeout(env environment) error {
	c.timeout = 10 * time.Second
	variable, text := env.signal("TIMEOUT")
	if text == "" {
		return nil
	}
	const most = 10 * 60 * 1000
	milliseconds, err := strconv.Atoi(text)
	if err != nil || milliseconds < 1 || milliseconds > most {
		return fmt.Errorf("%s must be a number of milliseconds, 1 to %d: %q", variable, most, text)
	}
	c.timeout = time.Duration(milliseconds) * time.Millisecond
	return nil
}

func (c *config) readCompression(env environment) error {
	variable, text := env.signal("COMPRESSION")
	if text != "" && text != "none" && text != "gzip" {
		return fmt.Errorf("%s must be gzip or none: %q", variable, text)
	}
	c.gzip = text == "gzip"
	return nil
}

func (c *config) readTLS(env environment) error {
	caVariable, ca := env.signal("CERTIFICATE")
	certVariable, cert := env.signal("CLIENT_CERTIFICATE")
	keyVariable, key := env.signal("CLIENT_KEY")
	if ca == "" && cert == "" && key == "" {
		return nil
	}
	c.tls = &tls.Config{MinVersion: tls.VersionTLS12}
	if ca != "" {
		pem, err := os.ReadFile(ca)
		if err != nil {
			return fmt.Errorf("%s cannot be read: %w", caVariable, err)
		}
		if c.tls.RootCAs = x509.NewCertPool(); !c.tls.RootCAs.AppendCertsFromPEM(pem) {
			return fmt.Errorf("%s must name a file with certificates: %q", caVariable, ca)
		}
	}
	switch {
	case (cert == "") != (key == ""):
		return errors.New(certVariable + " and " + keyVariable + " go together")
	case cert != "":
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return fmt.Errorf("%s and %s cannot be used: %w", certVariable, keyVariable, err)
		}
		c.tls.Certificates = []tls.Certificate{pair}
	}
	return nil
}
