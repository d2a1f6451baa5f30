package blocks_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

// anotherKey is given in inputs: such a key must stay as secret as the source's own.
const anotherKey = "pL0mN9bV8cX7zA6sD5fG4hJ3kL2qW1eR"

// witness collects everything that a runtime returns, in each form in which a log may show it.
type witness struct {
	text strings.Builder
	slog *slog.Logger
}

func newWitness() *witness {
	w := &witness{}
	w.slog = slog.New(slog.NewJSONHandler(&w.text, &slog.HandlerOptions{Level: slog.LevelDebug}))
	return w
}

func (w *witness) saw(t *testing.T, things ...any) {
	t.Helper()
	for _, thing := range things {
		raw, err := json.Marshal(thing)
		require.NoError(t, err)
		fmt.Fprintf(&w.text, "%s\n%v\n%+v\n%#v\n%s\n", raw, thing, thing, thing, thing)
		w.slog.Info("seen", "thing", thing)
		if err, ok := thing.(error); ok {
			for ; err != nil; err = errors.Unwrap(err) {
				fmt.Fprintf(&w.text, "%v %+v %#v %q\n", err, err, err, err.Error())
			}
		}
	}
}

func (w *witness) requireNoKey(t *testing.T) {
	t.Helper()
	for _, key := range []string{testKey, anotherKey} {
		for _, form := range []string{
			key, base64.StdEncoding.EncodeToString([]byte(key)), base64.StdEncoding.EncodeToString([]byte(key + ":")),
			key[:6],
			key[16:],
		} {
			require.NotContains(t, w.text.String(), form)
		}
	}
}

// TestPromiseWriteKeyComesOutNowhere uses a receiver that repeats the key in all possible ways.
func TestPromiseWriteKeyComesOutNowhere(t *testing.T) {
	echoes := map[string]func(w http.ResponseWriter, r *http.Request, key string){
		"text": func(w http.ResponseWriter, _ *http.Request, key string) {
			http.Error(w, "no such key: "+key, http.StatusBadRequest)
		},
		"JSON": func(w http.ResponseWriter, _ *http.Request, key string) {
			http.Error(w, `{"code":"x","message":"key `+key+`"}`, http.StatusUnauthorized)
		},
		"JSON, all": func(w http.ResponseWriter, _ *http.Request, key string) {
			http.Error(w, `{"given":"`+key+`"}`, http.StatusForbidden)
		},
		"its header": func(w http.ResponseWriter, r *http.Request, _ string) {
			http.Error(w, r.Header.Get("Authorization"), http.StatusNotFound)
		},
		"a page": func(w http.ResponseWriter, _ *http.Request, key string) {
			http.Error(w, "<title>"+key+"</title>", http.StatusUnprocessableEntity)
		},
		"inside a 200": func(w http.ResponseWriter, _ *http.Request, key string) {
			_, _ = io.WriteString(w, `{"ok":false,"errors":["`+key+`"]}`)
		},
		"between tabs": func(w http.ResponseWriter, _ *http.Request, key string) {
			http.Error(w, "\t"+key+"\n\x00"+key+"\u200b", http.StatusBadRequest)
		},
		"cut": func(w http.ResponseWriter, _ *http.Request, key string) {
			http.Error(w, strings.Repeat("x", 290)+key, http.StatusBadRequest)
		},
		"a redirect": func(w http.ResponseWriter, r *http.Request, key string) {
			http.Redirect(w, r, "/"+key+"?k="+key, http.StatusTemporaryRedirect)
		},
		"status line": func(w http.ResponseWriter, _ *http.Request, key string) {
			conn, _, _ := http.NewResponseController(w).Hijack()
			_, _ = io.WriteString(conn, "HTTP/1.1 nonsense "+key+"\r\n\r\n")
			_ = conn.Close()
		},
		"nothing wrong": func(w http.ResponseWriter, _ *http.Request, key string) {
			_, _ = io.WriteString(w, `{"success":true,"key":"`+key+`"}`)
		},
	}
	for name, echo := range echoes {
		t.Run(name, func(t *testing.T) {
			seen := newWitness()
			source := receiver(t, func(w http.ResponseWriter, r *http.Request) {
				key, _, _ := r.BasicAuth()
				echo(w, r, key)
			})
			source.Retry = fast(1)
			rt := open(t, runtime.Source("prod", source), runtime.Logger(seen.slog))
			seen.saw(t, source, source.WriteKey)
			for _, key := range []string{"", anotherKey} {
				for block, input := range map[string]string{
					"segment_track": `{"writeKey":"` + key + `","event":"e","userId":"u"}`,
					"segment_batch": `{"writeKey":"` + key + `",` + trackBatch(2)[1:],
				} {
					requests, receipt, err := rt.Preview(t.Context(), block, runtime.JSON(input))
					require.NoError(t, err)
					require.Equal(t, []string{"Basic [redacted]"}, requests[0].Header["Authorization"])
					seen.saw(t, requests, receipt)
					res, err := rt.Invoke(t.Context(), block, runtime.JSON(input))
					if name == "nothing wrong" {
						require.NoError(t, err)
						seen.saw(t, res, res.Receipt)
						continue
					}
					e := asError(t, err)
					seen.saw(t, e, e.Receipt)
				}
			}
			seen.requireNoKey(t)
		})
	}
}

// A refusal before sending names the path of the write key, never the key.
func TestPromiseWriteKeyIsNotShownWhenRefused(t *testing.T) {
	b := start(t)
	seen := newWitness()
	for block, inputs := range map[string][]string{
		"segment_track": {
			`{"writeKey":"` + anotherKey + ` "}`, `{"writeKey":["` + anotherKey + `"],"event":"e","userId":"u"}`,
			`{"writeKey":{"k":"` + anotherKey + `"}}`, `{"writekey":"` + anotherKey + `"}`,
			`{"write_key":"` + anotherKey + `","event":7}`,
			`{"writeKey":"` + anotherKey + `","event":{"k":"` + anotherKey + `"},"timestamp":"` + anotherKey + `"}`,
			`{"writeKey":"` + anotherKey + `","writeKey":"` + anotherKey + `"}`, `{"writeKey":"` + anotherKey + `:"}`,
			`{"writeKey":"` + anotherKey + `","properties":"` + anotherKey + `"}`,
			`{"event":"e","userId":["` + testKey + `"]}`,
			`{"event":"e","userId":"u","writeKey":"` + anotherKey + "\xa0" + `"}`,
			`{"event":"e","userId":"u","writeKey":"\ud800` + anotherKey + `"}`,
			`{"event":"e","userId":"u","properties":{"` + testKey + `":1,"` + testKey + `":2}}`,
		},
		"segment_batch": {
			`{"batch":[{"type":"track","event":"e","userId":"u","writeKey":"` + anotherKey + `"}]}`,
			`{"batch":[{"type":"track","event":"e","userId":"u","writeKey":["` + anotherKey + `"]}]}`,
			`{"writeKey":"` + anotherKey + `","batch":"` + anotherKey + `"}`,
			`{"batch":{"type":"track","writeKey":"` + anotherKey + `"}}`,
			`{"batch":[[{"writeKey":"` + anotherKey + `"}]]}`,
			`{"writeKey":"` + anotherKey + `","batch":[{"type":"` + anotherKey + `"}],"context":["` + anotherKey +
				`"]}`,
		},
	} {
		for _, input := range inputs {
			e := b.refused(block, input)
			seen.saw(t, e, e.Receipt)
		}
	}
	// A Go value need not be valid UTF-8: a byte of Latin-1 may have been pasted after the key.
	_, err := b.rt.Invoke(t.Context(), "segment_track",
		runtime.Map{"event": "e", "userId": "u", "writeKey": anotherKey + "\xa0"})
	seen.saw(t, asError(t, err))
	seen.requireNoKey(t)
}

// Receipts identify the key by a fingerprint, which is the same for the same key.
func TestPromiseReceiptsCarryAFingerprint(t *testing.T) {
	b := start(t)
	first := b.accepted("segment_track", `{"event":"e","userId":"u"}`).Receipt
	second := b.accepted("segment_track", `{"event":"e","userId":"u","writeKey":"`+anotherKey+`"}`).Receipt
	require.Regexp(t, `^key:[0-9a-f]{8}$`, first.Credential)
	require.Regexp(t, `^key:[0-9a-f]{8}$`, second.Credential)
	require.NotEqual(t, first.Credential, second.Credential)
	require.Equal(t, tracking.WriteKey(testKey).Fingerprint(), first.Credential)

	user, _, _ := (&http.Request{Header: b.requests()[1].header}).BasicAuth()
	require.Equal(t, anotherKey, user, "the input's key takes the place of the source's")
}

// A redirect is not followed: it would carry messages, and the key, to an endpoint that the host
// has not configured.
func TestPromiseRedirectsAreNotFollowed(t *testing.T) {
	other := start(t)
	for _, status := range []int{301, 302, 303, 307, 308} {
		b := receiver(t, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.url+r.URL.Path, status)
		})
		rt := open(t, runtime.Source("test", b))
		_, err := rt.Invoke(t.Context(), "segment_track", runtime.JSON(`{"event":"e","userId":"u"}`))
		e := asError(t, err)
		require.Equal(t, runtime.Rejected, e.Code)
		require.Equal(t, status, e.Status)
		require.Contains(t, e.Error(), "redirects are not followed")
		require.Equal(t, 1, e.Receipt.Attempts)
	}
	require.Empty(t, other.requests())
}

// A write key in a message would choose its source. It is refused, whatever its value, unless the
// value counts as absent.
func TestPromiseNoMessageChoosesItsSource(t *testing.T) {
	b := start(t)
	for _, value := range []string{`"` + testKey + `"`, `"x"`, `7`, `{}`, `[]`, `false`} {
		e := b.refused("segment_batch", `{"batch":[{"type":"track","event":"e","userId":"u","writeKey":`+value+`}]}`)
		require.Equal(t, []violation{{"/batch/0/writeKey", "write_key_in_message"}}, violations(e))
	}
	for _, value := range []string{`""`, `null`} {
		b.accepted("segment_batch", `{"batch":[{"type":"track","event":"e","userId":"u","writeKey":`+value+`}]}`)
	}
	for _, r := range b.requests() {
		require.False(t, bytes.Contains(r.body, []byte("writeKey")))
	}
}
