package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/aacflow/segment-blocks/segment/emulator"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const writeKey = "0123456789abcdefghijklmnopqrstuv"

// harness runs the program against an emulator, as the harness does.
type harness struct {
	*emulator.Server
	ctx            context.Context
	stdout, stderr bytes.Buffer
}

func start(t *testing.T) *harness {
	segment, err := emulator.Start()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, segment.Close(context.Background())) })
	return &harness{Server: segment, ctx: t.Context()}
}

// run takes the members of an input that follow the write key and the host.
func (h *harness) run(members string) (code int) {
	h.stdout.Reset()
	h.stderr.Reset()
	input := `{"writeKey":"` + writeKey + `","apiHost":"` + h.URL + `","unknown":1,` + members + `}`
	return run(h.ctx, []string{"--input", input}, &h.stdout, &h.stderr)
}

func (h *harness) messages(t *testing.T) (names []string, text string) {
	for _, event := range h.Events(emulator.Filter{}) {
		var message struct{ Type, Event, Name string }
		require.NoError(t, json.Unmarshal(event.Message, &message))
		names = append(names, message.Type+" "+message.Event+message.Name)
		text += string(event.Message)
	}
	return names, text
}

// Sequences arrive in order and in batches of flushAt. The rest arrives at the end.
func TestSequences(t *testing.T) {
	h := start(t)
	require.Zero(t, h.run(`"sequences":[
		{"delayMs":0,"events":[
			{"type":"track","event":"One","userId":"u1"},
			{"type":"identify","userId":"u1","traits":{"n":1.50}},
			{"type":"track","event":"Three","userId":"u1","messageId":"three"}]},
		{"delayMs":20,"events":[{"type":"alias","userId":"u2","previousId":"u1"}]}],
		"config":{"flushAt":2,"flushInterval":10000,"maxRetries":3,"timeout":15}`), &h.stderr)
	require.Equal(t, `{"success":true,"sentBatches":2}`+"\n", h.stdout.String())
	names, text := h.messages(t)
	require.Equal(t, []string{"track One", "identify ", "track Three", "alias "}, names)
	require.Contains(t, text, `"n":1.50`)
	require.Contains(t, text, `"messageId":"three"`)
	require.Contains(t, h.stderr.String(), "was accepted")
	require.NotContains(t, h.stderr.String(), writeKey)
}

// A queue that is not full is sent when flushInterval has passed.
func TestFlushInterval(t *testing.T) {
	h := start(t)
	require.Zero(t, h.run(`"sequences":[
		{"delayMs":0,"events":[{"type":"page","name":"A","userId":"u1"}]},
		{"delayMs":400,"events":[{"type":"page","name":"B","userId":"u1"}]}],"config":{"flushInterval":30}`))
	require.Equal(t, `{"success":true,"sentBatches":2}`+"\n", h.stdout.String())
}

func TestBounds(t *testing.T) {
	const one = `"sequences":[{"delayMs":0,"events":[{"type":"track","event":"A","userId":"u1"}]}],"config":`
	for name, c := range map[string]struct {
		fault  emulator.Fault
		config string
		code   int
		stdout string
	}{
		"a retry": {
			emulator.Fault{Status: http.StatusInternalServerError}, `{"maxRetries":1}`, 0, `"sentBatches":1`,
		},
		"no retries": {emulator.Fault{Status: http.StatusInternalServerError}, `{"maxRetries":0}`, 1, "500"},
		"rate limit": {
			emulator.Fault{Status: http.StatusTooManyRequests, RetryAfter: "30"},
			`{"maxRateLimitDuration":1}`, 1,
			"429",
		},
		"timeout": {emulator.Fault{Delay: time.Minute}, `{"maxRetries":0,"timeout":0.1}`, 1, `"success":false`},
	} {
		t.Run(name, func(t *testing.T) {
			h := start(t)
			require.NoError(t, h.Script(c.fault))
			require.Equal(t, c.code, h.run(one+c.config), &h.stderr)
			require.Contains(t, h.stdout.String(), c.stdout)
			require.Equal(t, name == "a retry", strings.Contains(h.stderr.String(), "attempts: 2"))
		})
	}
}

// An event that Segment would drop is reported, and the others are sent.
func TestInvalidEvent(t *testing.T) {
	h := start(t)
	require.Equal(t, 1, h.run(`"sequences":[{"delayMs":0,"events":[
		{"type":"track","userId":"u1"},{"type":"track","event":"Kept","userId":"u1"}]}]`))
	require.Contains(t, h.stdout.String(),
		`{"success":false,"sentBatches":1,"error":"sequence 0, event 0 was not queued: /event must`)
	names, _ := h.messages(t)
	require.Equal(t, []string{"track Kept"}, names)
}

func TestInvalidInput(t *testing.T) {
	for want, args := range map[string][]string{
		"--input must be what the harness sends": {},
		"unexpected end of JSON input":           {"--input", "{"},
		"the input has no writeKey":              {"--input", `{"sequences":[]}`},
		"config.maxRetries must not be negative": {"--input", `{"writeKey":"abcd1234","config":{"maxRetries":-1}}`},
		"config.timeout must not be negative":    {"--input", `{"writeKey":"abcd1234","config":{"timeout":-1}}`},
		"flag provided but not defined":          {"--output", "json"},
	} {
		var stdout, stderr bytes.Buffer
		require.Equal(t, 1, run(t.Context(), args, &stdout, &stderr))
		require.Contains(t, stdout.String(), `{"success":false,"sentBatches":0,"error":"`)
		require.Contains(t, stdout.String(), want)
	}
}

func TestInterrupt(t *testing.T) {
	h := start(t)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	h.ctx = ctx
	require.Equal(t, 130, h.run(`"sequences":[{"delayMs":60000,"events":[]}]`))
	require.Contains(t, h.stdout.String(), `"error":"interrupted"`)
}
