package emulator_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/aacflow/segment-blocks/segment/emulator"
)

// list repeats an item until the list has so many bytes.
func list(bytes int, item func(i int) string) string {
	var b strings.Builder
	for i := 0; b.Len() < bytes; i++ {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(item(i))
	}
	return b.String()
}

// hostile are bodies for /v1/batch of about so many bytes, that any web page can send.
func hostile(bytes int) map[string]string {
	const identify = `{"type":"identify","userId":"u"}`
	// Each key is the fingerprint of the one before it.
	chain := func() func(int) string {
		key := "aaaaaaaa"
		return func(int) string {
			item := `{"writeKey":"` + key + `"}`
			key = emulator.Fingerprint(key)
			return item
		}
	}
	// Keys, and what is nearly one, of each length there can be.
	keys := func(shortest int, end string) string {
		return list(min(bytes/2, 70_000), func(i int) string {
			return `{"writeKey":"` + strings.Repeat("a", shortest+i%249) + end + `"}`
		})
	}
	large := `{"p":"` + pad(30_000) + `"}`
	wide := func(prefix string) string {
		return `{` + list(15_000, func(i int) string { return fmt.Sprintf(`"%s%x":1`, prefix, i) }) + `}`
	}
	nested := strings.Repeat(`{"writeKey":`, 200) + `"aaaaaaaa"` + strings.Repeat("}", 200)
	return map[string]string{
		"chained keys": `{"batch":[` + list(min(bytes/2, 40_000), chain()) + `],"x":"` +
			strings.Repeat("aaaaaaaa", bytes/16) + `"}`,
		"keys in keys": `{"batch":[` + keys(8, "") + `],"x":"` + strings.Repeat("a", bytes/2) + `"}`,
		"nearly keys": `{"batch":[` + keys(7, "c") + `],"x":"` +
			strings.Repeat(strings.Repeat("a", 255)+"b", bytes/512) + `"}`,
		"keys anywhere": list(bytes, func(i int) string {
			return fmt.Sprintf(`"writeKey":"%x"`, sha256.Sum256([]byte{byte(i), byte(i >> 8)}))
		}),
		"merged contexts": `{"context":` + large + `,"integrations":` + large + `,"batch":[` +
			list(bytes, func(int) string {
				return identify[:len(identify)-1] + `,"context":{"a":1},"integrations":{"a":1}}`
			}) + `]}`,
		"wide contexts": `{"context":` + wide("a") + `,"batch":[` +
			list(bytes, func(int) string {
				return identify[:len(identify)-1] + `,"context":` + wide("b") + `}`
			}) + `]}`,
		"consent": `{"batch":[` + list(bytes, func(int) string {
			return `{"type":"track","userId":"u","event":"Segment Consent Preference Updated",` +
				`"context":{"consent":{"categoryPreferences":{` +
				list(30_000, func(i int) string { return fmt.Sprintf(`"%d":1`, i) }) + `}}}}`
		}) + `]}`,
		"nothing but messages": `{"batch":[` + list(min(bytes, 7_000), func(int) string { return `{}` }) + `]}`,
		"long ids": `{"batch":[` + list(bytes, func(i int) string {
			return fmt.Sprintf(`{"type":"identify","userId":"%s%d"}`, pad(31_000), i)
		}) + `]}`,
		"a long name twice": `{"` + pad(bytes/2) + `":1,"` + pad(bytes/2) + `":1}`,
		"nested keys":       `{"batch":[` + list(bytes, func(int) string { return nested }) + `]}`,
		"backslashes": `{"batch":[` + identify + `],"writeKey":"aaaaaaaa","x":"` +
			strings.Repeat(`\"`, bytes/2) + `"}`,
	}
}

// TestHostilePostsAreBounded: what a request costs grows with its bytes, and what is kept of many
// stays below a limit.
func TestHostilePostsAreBounded(t *testing.T) {
	const once, perByte, kept = 64 << 20, 100, 160 << 20
	for _, size := range []int{90_000, 480_000} {
		for name, body := range hostile(size) {
			t.Run(fmt.Sprintf("%s, %d", name, size), func(t *testing.T) {
				srv := start(t, emulator.Mode(emulator.Strict))
				before, began := allocated(), time.Now()
				got := post(t, srv, "/v1/batch", body, "Content-Type: text/plain",
					"Origin: https://evil.example", "Sec-Fetch-Site: cross-site")
				t.Logf("%d: %d bytes, %d allocated a byte, %s",
					got.status, len(body), (allocated()-before)/len(body), time.Since(began))
				require.Less(t, allocated()-before, once+perByte*len(body))
				require.Less(t, time.Since(began), 20*time.Second)
				require.Less(t, len(got.body), 2*len(body)+50_000)
			})
		}
	}
	srv := start(t)
	for range 3 {
		for _, body := range hostile(480_000) {
			post(t, srv, "/v1/batch", body)
		}
	}
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	t.Logf("%d MiB kept", m.HeapAlloc>>20)
	require.Less(t, m.HeapAlloc, uint64(kept))
}

func allocated() int {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.TotalAlloc)
}

// TestKeysInAnyPlace: wherever a key stands and however it is written, it is not kept, and what is
// kept of JSON is JSON.
func TestKeysInAnyPlace(t *testing.T) {
	srv := start(t)
	around := rapid.SampledFrom([]string{"", "n", `\`, `"`, "x", "é", "\n"})
	rapid.Check(t, func(rt *rapid.T) {
		require.NoError(rt, srv.Clear())
		key := rapid.OneOf(
			rapid.StringMatching(`[a-z]{3}[ntu0-9"\\{},: ]{6}[0-9]{0,9}`),
			rapid.SampledFrom([]string{"u0041bcde", "nabcdefg", "[[[[[[[["}),
		).Draw(rt, "key")
		holding := func(label string) string { return around.Draw(rt, label) + key + around.Draw(rt, label) }
		message := map[string]any{
			"type": "track", "userId": holding("userId"), "event": holding("event"), "messageId": holding("messageId"),
			"context":      map[string]any{"a": holding("context"), key: 1},
			"integrations": map[string]any{"b": holding("integrations")},
			"properties":   map[string]any{"n": [][]any{{12345678, holding("property")}}, holding("name"): true},
		}
		if rapid.Bool().Draw(rt, "discarded") {
			message["userId"] = []string{key}
		}
		body, err := json.Marshal(map[string]any{
			"writeKey": key, "batch": []any{message}, "context": map[string]any{"c": holding("batch")},
		})
		require.NoError(rt, err)
		sent := string(body)
		switch rapid.SampledFrom([]string{"as it is", "escaped", "cut", "not JSON"}).Draw(rt, "form") {
		case "escaped":
			sent = strings.NewReplacer("writeKey", `write\u004bey`, "a", `\u0061`).Replace(sent)
		case "cut":
			sent = sent[:len(sent)-1]
		case "not JSON":
			sent = "junk " + sent
		}
		post(t, srv, "/v1/batch", sent, "Authorization:")
		shown, err := json.Marshal(key)
		require.NoError(rt, err)
		for _, path := range []string{"events", "discards", "requests"} {
			got := get(t, srv, "/emulator/v1/"+path).body
			require.True(rt, json.Valid([]byte(got)), got)
			var list any
			require.NoError(rt, json.Unmarshal([]byte(got), &list))
			require.NotContains(rt, fmt.Sprint(list), key)
			require.NotContains(rt, got, strings.Trim(string(shown), `"`))
		}
	})
}
