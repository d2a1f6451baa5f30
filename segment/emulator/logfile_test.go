package emulator_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/segment/emulator"
)

func readFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(b)
}

func TestLogSurvivesARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.ndjson")
	first := start(t, emulator.LogTo(path))
	post(t, first, "/v1/track", "{\"userId\":\"u\",\n"+
		"\"event\":\"<É>\",\"messageId\":\"m-1\",\"timestamp\":\"2026-01-01T00:00:00Z\",\"context\":{\"a\":1.0}}")
	post(t, first, "/v1/identify", `{"userId":"u"}`)
	// The lines are there before the answers were, without Close.
	require.Equal(t, 2, strings.Count(readFile(t, path), "\n"))
	before := first.Events(emulator.Filter{})
	require.NoError(t, first.Close(t.Context()))

	second := start(t, emulator.LogTo(path))
	after := second.Events(emulator.Filter{})
	require.Len(t, after, 2)
	require.Equal(t, strings.ReplaceAll(string(before[0].Message), "\n", " "), string(after[0].Message))
	require.Equal(t, before[0].Context, after[0].Context)
	require.True(t, before[0].Timestamp.Equal(after[0].Timestamp))
	require.Equal(t, before[1].MessageID, after[1].MessageID)
	require.Equal(t, uint64(2), second.Stats().Stored)

	post(t, second, "/v1/track", `{"userId":"u","event":"E","messageId":"m-1"}`)
	require.Equal(t, uint64(1), second.Stats().Duplicates, "messageIds are remembered from the file")
	post(t, second, "/v1/track", `{"userId":"u","event":"E","messageId":"m-2"}`)
	require.Equal(t, uint64(3), second.Events(emulator.Filter{MessageID: "m-2"})[0].Seq)
	require.Greater(t, second.Requests()[0].Seq, before[1].Request)
}

func TestLogRecoversFromATornLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.ndjson")
	first := start(t, emulator.LogTo(path))
	post(t, first, "/v1/track", `{"userId":"u","event":"E1"}`)
	require.NoError(t, first.Close(t.Context()))
	whole := readFile(t, path)
	for _, torn := range []string{"{", whole[:len(whole)/2], strings.TrimSuffix(whole, "\n"), "\x00\x00\x00"} {
		require.NoError(t, os.WriteFile(path, []byte(whole+torn), 0o600))
		srv := start(t, emulator.LogTo(path))
		require.Len(t, srv.Events(emulator.Filter{}), 1)
		require.Equal(t, whole, readFile(t, path))
		post(t, srv, "/v1/track", `{"userId":"u","event":"E2"}`)
		require.Equal(t, 2, strings.Count(readFile(t, path), "\n"))
		require.NoError(t, srv.Close(t.Context()))
	}
}

func TestLogRefusesWhatIsNotAnEvent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notes.txt")
	for _, text := range []string{"shopping list\n", "{}\n", `{"seq":1,"type":"merge","message":{}}` + "\n"} {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		_, err := emulator.New(emulator.LogTo(path))
		require.ErrorContains(t, err, "line 1 of "+path+" is not an event")
		require.Equal(t, text, readFile(t, path), "it is left alone")
	}
	_, err := emulator.New(emulator.LogTo(filepath.Join(path, "below")))
	require.Error(t, err)
}

func TestLogBelongsToOneEmulator(t *testing.T) {
	dir := t.TempDir()
	path, link := filepath.Join(dir, "events.ndjson"), filepath.Join(dir, "link")
	first := start(t, emulator.LogTo(path))
	require.NoError(t, os.Symlink(path, link))
	for _, name := range []string{path, link} {
		_, err := emulator.New(emulator.LogTo(name))
		require.ErrorIs(t, err, emulator.ErrLogInUse)
		require.ErrorContains(t, err, "another emulator writes to this log: "+path)
	}
	require.Equal(t, 200, post(t, first, "/v1/track", oneTrack).status)
	require.NoError(t, first.Close(t.Context()))
	require.Len(t, start(t, emulator.LogTo(link)).Events(emulator.Filter{}), 1)
}

func TestLogKeepsMoreThanMemory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.ndjson")
	srv := start(t, emulator.LogTo(path), emulator.Capacity(2))
	for range 5 {
		post(t, srv, "/v1/identify", `{"userId":"u"}`)
	}
	require.Equal(t, 5, strings.Count(readFile(t, path), "\n"))
	require.NoError(t, srv.Close(t.Context()))
	again := start(t, emulator.LogTo(path), emulator.Capacity(2))
	require.Equal(t, uint64(4), again.Events(emulator.Filter{})[0].Seq)
	require.Equal(t, uint64(3), again.Stats().Forgotten)
}

func TestClearForgetsEverything(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.ndjson")
	srv := start(t, emulator.LogTo(path))
	const one = `{"userId":"u","event":"E","messageId":"m"}`
	post(t, srv, "/v1/track", one)
	post(t, srv, "/v1/track", one)
	require.NoError(t, srv.Script(emulator.Fault{Status: 500}))
	require.Equal(t, 200, send(t, "DELETE", srv.URL+"/emulator/v1/events", "").status)
	require.Empty(t, srv.Events(emulator.Filter{}))
	require.Empty(t, srv.Discards(emulator.DiscardFilter{}))
	require.Empty(t, srv.Requests())
	require.Empty(t, srv.Faults())
	require.Empty(t, readFile(t, path))
	require.Equal(t, 200, post(t, srv, "/v1/track", one).status)
	require.Equal(t, uint64(2), srv.Events(emulator.Filter{})[0].Seq, "numbers are not used again")
	require.Equal(t, uint64(1), srv.Stats().Stored)
}

func TestLogMustBeARegularFile(t *testing.T) {
	for _, path := range []string{t.TempDir(), os.DevNull} {
		_, err := emulator.New(emulator.LogTo(path))
		require.Error(t, err, path)
	}
}

func TestFailedWriteStoresNothing(t *testing.T) {
	srv, err := emulator.Start(emulator.LogTo(filepath.Join(t.TempDir(), "events.ndjson")))
	require.NoError(t, err)
	defer func() { _ = srv.Close(t.Context()) }() // fails, as the file is closed
	require.NoError(t, emulator.BreakLog(srv.Emulator))
	got := post(t, srv, "/v1/identify", `{"userId":"u","messageId":"m"}`)
	require.Equal(t, 500, got.status)
	require.Equal(t, "storage_error", got.field(t, "code"))
	require.Empty(t, srv.Events(emulator.Filter{}))
	require.Equal(t, 500, srv.Requests()[0].Status)
	require.Zero(t, srv.Requests()[0].Stored)
}
