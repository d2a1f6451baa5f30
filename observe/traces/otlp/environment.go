package otlp

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"regexp"
	"strings"
)

// rules has the exporter's variables and what their values must be. OpenTelemetry ignores a value
// that it cannot read, and prints a header that it cannot read, token and all.
var rules = []struct {
	name, must string
	pattern    *regexp.Regexp
}{
	{
		"ENDPOINT", "a URL of http or https without credentials, such as http://127.0.0.1:4318",
		regexp.MustCompile(`^https?://([\pL\pN._-]+|\[[[:xdigit:]:.]+\])(:\d+)?(/[^@?#%\s]*)?$`),
	},
	{
		"HEADERS", "a list such as name=value,name=value, with special characters in values as %XX",
		regexp.MustCompile("^(\\s*[\\w!#$&'*+.^`|~-]+\\s*=([^,%[:cntrl:]]|%[2-9A-Fa-f][[:xdigit:]])*(,|$))+$"),
	},
	{"TIMEOUT", "a number of milliseconds, 1 to 999999", regexp.MustCompile(`^[1-9]\d{0,5}$`)},
	{"COMPRESSION", "gzip or none", regexp.MustCompile(`^(gzip|none)$`)},
	{
		"PROTOCOL", "http/protobuf or http/json, since gRPC is not spoken here",
		regexp.MustCompile(`^http/(protobuf|json)$`),
	},
}

// prefixes begin the variables for traces alone, which come first, and those for all signals.
var prefixes = []string{"OTEL_EXPORTER_OTLP_TRACES_", "OTEL_EXPORTER_OTLP_"}

func get(name string) string { return strings.TrimSpace(os.Getenv(name)) }

// variable returns the name and the value of a variable of the exporter.
func variable(name string) (full, value string) {
	for _, prefix := range prefixes {
		full = prefix + name
		if value = get(full); value != "" {
			break
		}
	}
	return full, value
}

// enabled says whether the environment asks for traces.
func enabled() (bool, error) {
	_, endpoint := variable("ENDPOINT")
	exporter := get("OTEL_TRACES_EXPORTER")
	switch {
	case endpoint == "" || exporter == "none" || strings.EqualFold(get("OTEL_SDK_DISABLED"), "true"):
		return false, nil
	case exporter != "" && exporter != "otlp":
		return false, fmt.Errorf("OTEL_TRACES_EXPORTER must be otlp or none: %q", exporter)
	}
	for _, rule := range rules {
		for _, prefix := range prefixes {
			value := get(prefix + rule.name)
			switch {
			case value == "" || rule.pattern.MatchString(value):
			case rule.name == "HEADERS" || strings.Contains(value, "@"): // may hold a token
				return false, fmt.Errorf("%s%s must be %s", prefix, rule.name, rule.must)
			default:
				return false, fmt.Errorf("%s%s must be %s: %q", prefix, rule.name, rule.must, value)
			}
			if value != "" && rule.name != "HEADERS" { // of which OpenTelemetry reads both
				break
			}
		}
	}
	return true, nil
}

// tlsConfig returns the certificates that the environment names, or nil if it names none.
func tlsConfig() (*tls.Config, error) {
	authority, file := variable("CERTIFICATE")
	certificate, cert := variable("CLIENT_CERTIFICATE")
	_, key := variable("CLIENT_KEY")
	if file == "" && cert == "" && key == "" {
		return nil, nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if file != "" {
		pem, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("%s cannot be read: %w", authority, err)
		}
		if config.RootCAs = x509.NewCertPool(); !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s must name a file with certificates: %q", authority, file)
		}
	}
	if cert != "" || key != "" {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return nil, fmt.Errorf("%s and its CLIENT_KEY cannot be used: %w", certificate, err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}
