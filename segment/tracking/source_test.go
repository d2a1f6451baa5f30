package tracking_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"github.com/aacflow/segment-blocks/runtime/retry"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

func TestWriteKeyNeverPrintsItself(t *testing.T) {
	source := tracking.Source{WriteKey: testKey, Region: tracking.EU}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%08.3f"} {
		fmt.Fprintf(&out, verb+"\n", testKey)
		fmt.Fprintf(&out, verb+"\n", source)
		fmt.Fprintf(&out, verb+"\n", &source)
		fmt.Fprintf(&out, verb+"\n", []any{testKey, map[string]any{"k": testKey}})
	}
	for _, v := range []any{testKey, source, map[string]any{"k": testKey}} {
		j, err := json.Marshal(v)
		require.NoError(t, err)
		y, err := yaml.Marshal(v)
		require.NoError(t, err)
		out.Write(append(j, y...))
	}
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "key", testKey, "source", source)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "key", testKey, "source", source)
	requireClean(t, out.String())
	require.NotContains(t, out.String(), fmt.Sprintf("%x", string(testKey)))
	require.Contains(t, out.String(), testKey.Fingerprint())
	require.Regexp(t, `^key:[0-9a-f]{8}$`, testKey.Fingerprint())
	require.Equal(t, "key:none", tracking.WriteKey("").String())
	require.NotEqual(t, testKey.Fingerprint(), tracking.WriteKey("other").Fingerprint())
}

func TestSecrets(t *testing.T) {
	require.Equal(t, []string{
		base64.StdEncoding.EncodeToString([]byte("abcd1234:")),
		base64.StdEncoding.EncodeToString([]byte("abcd1234")), "abcd1234",
	}, tracking.Source{WriteKey: "abcd1234"}.Secrets())
	require.Empty(t, tracking.Source{}.Secrets())
}

func TestSourceURL(t *testing.T) {
	for name, tt := range map[string]struct {
		source tracking.Source
		want   string
	}{
		"default":    {tracking.Source{}, "https://api.segment.io"},
		"us":         {tracking.Source{Region: tracking.US}, "https://api.segment.io"},
		"eu":         {tracking.Source{Region: tracking.EU}, "https://events.eu1.segmentapis.com"},
		"upper case": {tracking.Source{Region: "EU"}, "https://events.eu1.segmentapis.com"},
		"bare":       {tracking.Source{Endpoint: "https://cdp.example.com"}, "https://cdp.example.com"},
		"slash":      {tracking.Source{Endpoint: "https://cdp.example.com/"}, "https://cdp.example.com"},
		"v1":         {tracking.Source{Endpoint: "https://cdp.example.com/v1"}, "https://cdp.example.com"},
		"v1 slash":   {tracking.Source{Endpoint: "https://cdp.example.com//v1//"}, "https://cdp.example.com"},
		"prefix": {
			tracking.Source{Endpoint: "https://example.com/proxy/segment/v1/"},
			"https://example.com/proxy/segment",
		},
		"escaped prefix": {tracking.Source{Endpoint: "https://example.com/a%2Fb"}, "https://example.com/a%2Fb"},
		"port":           {tracking.Source{Endpoint: "https://example.com:8443/v1"}, "https://example.com:8443"},
		"localhost":      {tracking.Source{Endpoint: "http://localhost:9999"}, "http://localhost:9999"},
		"loopback":       {tracking.Source{Endpoint: "http://127.3.2.1:9999/v1"}, "http://127.3.2.1:9999"},
		"loopback 6":     {tracking.Source{Endpoint: "http://[::1]:9999"}, "http://[::1]:9999"},
		"insecure": {
			tracking.Source{Endpoint: "http://emulator:8080", AllowInsecure: true}, "http://emulator:8080",
		},
	} {
		t.Run(name, func(t *testing.T) {
			tt.source.WriteKey = testKey
			got, err := tt.source.URL()
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
			require.NoError(t, tt.source.Validate())
		})
	}
}

func TestSourceRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		source tracking.Source
		says   string
	}{
		"region":        {tracking.Source{Region: "asia"}, `must be us or eu: "asia"`},
		"both":          {tracking.Source{Region: tracking.US, Endpoint: "https://x.example"}, `not both: region "us"`},
		"no scheme":     {tracking.Source{Endpoint: "api.segment.io"}, "must begin with https://"},
		"host and port": {tracking.Source{Endpoint: "localhost:8080"}, "must begin with https://"},
		"other scheme":  {tracking.Source{Endpoint: "ftp://x"}, "must begin with https://"},
		"no host":       {tracking.Source{Endpoint: "https:///v1"}, "must begin with https://"},
		"not a URL":     {tracking.Source{Endpoint: "https://a b"}, "must be a URL: "},
		"userinfo": {
			tracking.Source{Endpoint: "https://user:hunter2@x.example"}, "must not hold a user or password",
		},
		"query":       {tracking.Source{Endpoint: "https://x.example?a=hunter2"}, "query or fragment"},
		"empty query": {tracking.Source{Endpoint: "https://x.example?"}, "query or fragment"},
		"fragment":    {tracking.Source{Endpoint: "https://x.example#"}, "query or fragment"},
		"plain http": {
			tracking.Source{Endpoint: "http://x.example:80"},
			`must use https: "x.example:80"`,
		},
		"not loopback": {tracking.Source{Endpoint: "http://localhost.example.com"}, "must use https"},
		"path of call": {
			tracking.Source{Endpoint: "https://x.example/v1/track"},
			`must end before the path of a call: "/v1/track"`,
		},
		"path of batch": {
			tracking.Source{Endpoint: "https://x.example/v1/batch/"}, "must end before the path of a call",
		},
		"key in path": {
			tracking.Source{Endpoint: "https://x.example/" + string(testKey)}, "must not hold the write key",
		},
		"in flight": {tracking.Source{InFlight: -1}, "must not be negative: -1"},
		"delay": {
			tracking.Source{Retry: retry.Policy{BaseDelay: -time.Second}},
			"base delay must not be negative: -1s",
		},
	} {
		t.Run(name, func(t *testing.T) {
			tt.source.WriteKey = testKey
			err := tt.source.Validate()
			e := failure(t, err)
			require.Equal(t, tracking.InvalidSource, e.Code)
			require.ErrorContains(t, err, tt.says)
			require.NotContains(t, err.Error(), "hunter2")

			report, err := tt.source.Send(t.Context(), tracking.NewClient(nil), alone(order(t)))
			require.EqualError(t, err, e.Error())
			require.Equal(t, tracking.Unsent, report.Messages[0].Status)
		})
	}
}

func TestWriteKeyIsChecked(t *testing.T) {
	require.NoError(t, tracking.Source{}.Validate(), "the call may bring a key")
	_, err := tracking.Source{}.Send(t.Context(), tracking.NewClient(nil), alone(order(t)))
	require.Equal(t, tracking.MissingCredential, failure(t, err).Code)
	require.EqualError(t, err, "the source has no write key")
	for _, key := range []string{" abc", "abc\n", "a\tb", "ключ", "a\x00"} {
		err := tracking.Source{WriteKey: tracking.WriteKey(key)}.Validate()
		require.Equal(t, tracking.InvalidSource, failure(t, err).Code)
		require.NotContains(t, err.Error(), strings.TrimSpace(key)+`"`)
	}
}

// Segment answers 200 to a key that it does not know, so a wrong one deserves a word.
func TestOddWriteKeyIsWarnedAbout(t *testing.T) {
	warned := func(source tracking.Source) bool {
		_, report, err := tracking.NewClient(nil).Preview(source, alone(order(t)))
		require.NoError(t, err)
		return len(report.Warnings) == 1 && report.Warnings[0].Code == "write_key_form" &&
			report.Warnings[0].Index == -1
	}
	require.True(t, warned(tracking.Source{WriteKey: "abcd1234"}))
	require.False(t, warned(tracking.Source{WriteKey: testKey}))
	require.False(t, warned(tracking.Source{WriteKey: "abcd1234", Endpoint: "http://localhost:1"}))
}
