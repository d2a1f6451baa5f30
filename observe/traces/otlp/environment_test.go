package otlp

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func variables(set map[string]string) environment {
	return func(name string) string { return set[name] }
}

func TestOffUnlessAskedFor(t *testing.T) {
	for name, set := range map[string]map[string]string{
		"nothing set":   {},
		"an empty text": {"OTEL_EXPORTER_OTLP_ENDPOINT": " "},
		"only metrics":  {"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://localhost:4318"},
		"disabled":      {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318", "OTEL_SDK_DISABLED": "TRUE"},
		"no exporter":   {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318", "OTEL_TRACES_EXPORTER": "none"},
		"off is off, whatever else is set": {
			"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
			"OTEL_TRACES_EXPORTER": "none",
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, on, err := readEnvironment(variables(set))
			require.NoError(t, err)
			require.False(t, on)
		})
	}
}

func TestEndpoint(t *testing.T) {
	for _, c := range []struct{ variable, value, want string }{
		{"ENDPOINT", "http://localhost:4318", "http://localhost:4318/v1/traces"},
		{"ENDPOINT", "https://example.com/otlp/", "https://example.com/otlp/v1/traces"},
		{"TRACES_ENDPOINT", "https://example.com/otlp", "https://example.com/otlp"},
		{"TRACES_ENDPOINT", "https://example.com", "https://example.com/"},
	} {
		config, on, err := readEnvironment(variables(map[string]string{"OTEL_EXPORTER_OTLP_" + c.variable: c.value}))
		require.NoError(t, err)
		require.True(t, on)
		require.Equal(t, c.want, config.endpoint.String())
	}
}

func TestSettings(t *testing.T) {
	config, on, err := readEnvironment(variables(map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT":        "http://localhost:4318",
		"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://localhost:4319/t",
		"OTEL_EXPORTER_OTLP_PROTOCOL":        "grpc",
		"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
		"OTEL_EXPORTER_OTLP_HEADERS":         "authorization=Bearer%20x%3D, a = b ,",
		"OTEL_EXPORTER_OTLP_TIMEOUT":         "1500",
		"OTEL_EXPORTER_OTLP_COMPRESSION":     "gzip",
		"OTEL_TRACES_EXPORTER":               "otlp",
	}))
	require.NoError(t, err)
	require.True(t, on)
	require.Equal(t, "http://localhost:4319/t", config.endpoint.String())
	require.Equal(t, map[string]string{"authorization": "Bearer x=", "a": "b"}, config.headers)
	require.Equal(t, 1500*time.Millisecond, config.timeout)
	require.True(t, config.gzip)
	require.Nil(t, config.tls)
}

func TestRefusedSettings(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	for _, c := range []struct{ variable, value, want string }{
		{
			"OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318",
			`OTEL_EXPORTER_OTLP_ENDPOINT must be a URL of http or https, such as http://127.0.0.1:4318: "localhost:4318"`,
		},
		{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "grpc://h", `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT must be a URL`},
		{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://me:s3cret@h", "must hold no credentials"},
		{
			"OTEL_EXPORTER_OTLP_PROTOCOL", "grpc",
			`OTEL_EXPORTER_OTLP_PROTOCOL must be http/protobuf, the only protocol that is spoken here: "grpc"`,
		},
		{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL must be http/protobuf"},
		{"OTEL_TRACES_EXPORTER", "console", `OTEL_TRACES_EXPORTER must be otlp or none: "console"`},
		{"OTEL_EXPORTER_OTLP_HEADERS", "a=b,s3cret", "entry 2 is not"},
		{"OTEL_EXPORTER_OTLP_HEADERS", "s3cret=%zz", "entry 1 is not"},
		{"OTEL_EXPORTER_OTLP_HEADERS", "a=s3cret%0Ab", "entry 1 is not"},
		{
			"OTEL_EXPORTER_OTLP_TIMEOUT", "10s",
			`OTEL_EXPORTER_OTLP_TIMEOUT must be a number of milliseconds, 1 to 600000: "10s"`,
		},
		{"OTEL_EXPORTER_OTLP_COMPRESSION", "zstd", `OTEL_EXPORTER_OTLP_COMPRESSION must be gzip or none: "zstd"`},
		{"OTEL_EXPORTER_OTLP_CERTIFICATE", "no-such.pem", "OTEL_EXPORTER_OTLP_CERTIFICATE cannot be read"},
		{"OTEL_EXPORTER_OTLP_CERTIFICATE", empty, "OTEL_EXPORTER_OTLP_CERTIFICATE must name a file with certificates"},
		{
			"OTEL_EXPORTER_OTLP_CLIENT_KEY", empty,
			"OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_KEY go together",
		},
	} {
		set := map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318"}
		set[c.variable] = c.value
		_, on, err := readEnvironment(variables(set))
		require.ErrorContains(t, err, c.want, c.value)
		require.NotContains(t, err.Error(), "s3cret")
		require.False(t, on)
	}
}

func TestStart(t *testing.T) {
	var logs bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&logs, nil))
	_, on, err := Start(t.Context(), Service{}, logger)
	require.NoError(t, err)
	require.False(t, on)

	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "team=events,nonsense")
	provider, on, err := Start(t.Context(), Service{}, logger)
	require.NoError(t, err)
	require.True(t, on)
	require.NoError(t, provider.Shutdown(t.Context()))
	require.Contains(t, logs.String(), "OTEL_RESOURCE_ATTRIBUTES must be")

	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
	_, on, err = Start(t.Context(), Service{}, logger)
	require.Error(t, err)
	require.False(t, on)
}
