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
)

// config is what the variables of the exporter say.
type config struct {
	endpoint *url.URL
	headers  map[string]string
	timeout  time.Duration
	gzip     bool
	tls      *tls.Config // nil for the defaults
}

// environment reads variables, of which one without a value counts as not set.
type environment func(name string) string

// signal reads a variable of the exporter: that for traces comes before that for everything. It returns the name of the one that is set.
func (env environment) signal(name string) (variable, value string) {
	for _, prefix := range []string{"OTEL_EXPORTER_OTLP_TRACES_", "OTEL_EXPORTER_OTLP_"} {
		if value := strings.TrimSpace(env(prefix + name)); value != "" {
			return prefix + name, value
		}
	}
	return "OTEL_EXPORTER_OTLP_" + name, ""
}

// readEnvironment also returns whether traces are to be exported at all.
func readEnvironment(env environment) (c *config, on bool, err error) {
	variable, endpoint := env.signal("ENDPOINT")
	if endpoint == "" || strings.EqualFold(strings.TrimSpace(env("OTEL_SDK_DISABLED")), "true") {
		return nil, false, nil
	}
	switch exporter := strings.TrimSpace(env("OTEL_TRACES_EXPORTER")); exporter {
	case "none":
		return nil, false, nil
	case "", "otlp":
	default:
		return nil, false, fmt.Errorf("OTEL_TRACES_EXPORTER must be otlp or none: %q", exporter)
	}
	if variable, protocol := env.signal("PROTOCOL"); protocol != "" && protocol != "http/protobuf" {
		return nil, false, fmt.Errorf("%s must be http/protobuf, the only protocol that is spoken here: %q", variable, protocol)
	}
	c = &config{timeout: 10 * time.Second}
	if c.endpoint, err = readEndpoint(variable, endpoint); err != nil {
		return nil, false, err
	}
	for _, read := range []func(environment) error{c.readHeaders, c.readTimeout, c.readCompression, c.readTLS} {
		if err := read(env); err != nil {
			return nil, false, err
		}
	}
	return c, true, nil
}

func readEndpoint(variable, text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case strings.Contains(text, "@"):
		return nil, fmt.Errorf("%s must hold no credentials: they belong into OTEL_EXPORTER_OTLP_HEADERS", variable)
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return nil, fmt.Errorf("%s must be a URL of http or https, such as http://127.0.0.1:4318: %q", variable, text)
	case variable == "OTEL_EXPORTER_OTLP_ENDPOINT":
		return u.JoinPath("v1", "traces"), nil
	case u.Path == "":
		u.Path = "/"
	}
	return u, nil
}

// readHeaders shows neither names nor values in its errors: either may be a token that ended up in the wrong place.
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
		if !ok || err != nil || name == "" || strings.ContainsFunc(name+value, unfit) || strings.Contains(name, " ") {
			return fmt.Errorf("%s must be a list such as name=value,name=value, with what is special in values as %%XX: entry %d is not", variable, i+1)
		}
		c.headers[name] = value
	}
	return nil
}

// unfit tells what no header may have in it.
func unfit(r rune) bool { return r < ' ' || r == 0x7f }

func (c *config) readTimeout(env environment) error {
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
	switch text {
	case "gzip":
		c.gzip = true
	case "", "none":
	default:
		return fmt.Errorf("%s must be gzip or none: %q", variable, text)
	}
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
