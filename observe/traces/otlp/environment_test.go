package otlp

import (
	"bytes"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

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
			for variable, value := range set {
				t.Setenv(variable, value)
			}
			on, err := enabled()
			require.NoError(t, err)
			require.False(t, on)
		})
	}
}

// A variable for traces takes precedence over the variable for all signals.
func TestVariablesForTraces(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "a=b")
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
	t.Setenv("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json")
	t.Setenv("OTEL_TRACES_EXPORTER", "otlp")
	require.Empty(t, export(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" || r.Header.Get("A") != "b" ||
			r.Header.Get("Content-Type") != "application/json" {
			w.WriteHeader(http.StatusBadRequest)
		}
	}))
}

func TestRefusedSettings(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	for _, c := range []struct{ variable, value, want string }{
		{
			"OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318",
			`OTEL_EXPORTER_OTLP_ENDPOINT must be a URL of http or https without credentials, ` +
				`such as http://127.0.0.1:4318: "localhost:4318"`,
		},
		{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "grpc://h", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT must be a URL"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://me:s3cret@h", "without credentials"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://h:port", "must be a URL"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://h/%zz", "must be a URL"},
		{
			"OTEL_EXPORTER_OTLP_PROTOCOL", "grpc",
			`OTEL_EXPORTER_OTLP_PROTOCOL must be http/protobuf or http/json, since gRPC is not spoken here: "grpc"`,
		},
		{"OTEL_TRACES_EXPORTER", "console", `OTEL_TRACES_EXPORTER must be otlp or none: "console"`},
		{"OTEL_EXPORTER_OTLP_HEADERS", "a=b,s3cret", "OTEL_EXPORTER_OTLP_HEADERS must be a list such as name=value"},
		{"OTEL_EXPORTER_OTLP_HEADERS", "s3cret=%zz", "must be a list"},
		{"OTEL_EXPORTER_OTLP_HEADERS", "a=s3cret%0Ab", "must be a list"},
		{
			"OTEL_EXPORTER_OTLP_TIMEOUT", "10s",
			`OTEL_EXPORTER_OTLP_TIMEOUT must be a number of milliseconds, 1 to 999999: "10s"`,
		},
		{"OTEL_EXPORTER_OTLP_COMPRESSION", "zstd", `OTEL_EXPORTER_OTLP_COMPRESSION must be gzip or none: "zstd"`},
		{"OTEL_EXPORTER_OTLP_CERTIFICATE", "no-such.pem", "OTEL_EXPORTER_OTLP_CERTIFICATE cannot be read"},
		{"OTEL_EXPORTER_OTLP_CERTIFICATE", empty, "OTEL_EXPORTER_OTLP_CERTIFICATE must name a file with certificates"},
		{
			"OTEL_EXPORTER_OTLP_CLIENT_KEY", empty,
			"OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and its CLIENT_KEY cannot be used",
		},
	} {
		t.Run(c.variable+" "+c.value, func(t *testing.T) {
			t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318")
			t.Setenv(c.variable, c.value)
			_, on, err := Start(t.Context(), Service{}, slog.New(slog.DiscardHandler))
			require.ErrorContains(t, err, c.want)
			require.NotContains(t, err.Error(), "s3cret")
			require.False(t, on)
		})
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
}
