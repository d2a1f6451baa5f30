package tracking_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/runtime/retry"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

// What a body makes of a 2xx, for a message that goes alone and for a batch of three.
// docs/errors.md has the rules.
func TestAcceptance(t *testing.T) {
	const accepted, rejected, unconfirmed = tracking.Accepted, tracking.Rejected, tracking.Unconfirmed
	for _, tt := range []struct {
		body         string
		status       int
		alone, batch tracking.Status
	}{
		{body: `{"success":true}`, alone: accepted, batch: accepted},
		{body: ` {"Success": true} `, alone: accepted, batch: accepted},
		{body: ``, status: 204, alone: accepted, batch: accepted},
		{body: ` `, alone: accepted, batch: accepted},
		{body: `null`, alone: accepted, batch: accepted},
		{body: `{}`, alone: accepted, batch: accepted},
		{body: `OK`, alone: accepted, batch: accepted},
		{body: `"Accepted."`, status: 202, alone: accepted, batch: accepted},
		{body: `true`, alone: accepted, batch: accepted},
		{body: `{"id":"error","message":"failed","event":{"status":"failed"}}`, alone: accepted, batch: accepted},
		{body: `{"status":"queued","code":0}`, alone: accepted, batch: accepted},
		{body: `{"status":200,"errors":[ ],"failed":0,"error":null}`, alone: accepted, batch: accepted},
		{body: `{"ok":true,"state":"shiny"}`, alone: accepted, batch: accepted},
		{body: `{"accepted":["a"],"rejected":[]}`, alone: accepted, batch: accepted},
		{body: `[{"status":200},{"status":201}]`, status: 207, alone: accepted, batch: accepted},
		{body: `{"processed":3,"total":3}`, alone: accepted, batch: accepted},

		{body: `{"success":"false"}`, alone: rejected, batch: rejected},
		{body: `{"success":0}`, alone: rejected, batch: rejected},
		{body: `{"status":"error"}`, alone: rejected, batch: rejected},
		{body: `{"statusCode":503}`, alone: rejected, batch: rejected},
		{body: `{"code":"400"}`, alone: rejected, batch: rejected},
		{body: `{"error":"no such source"}`, alone: rejected, batch: rejected},
		{body: `{"data":{"result":{"success":false}}}`, alone: rejected, batch: rejected},
		{body: `false`, alone: rejected, batch: rejected},
		{body: `Error`, alone: rejected, batch: rejected},
		{body: `<multistatus/>`, status: 207, alone: rejected, batch: rejected},

		{body: `{"errors":{"1":"bad"}}`, alone: rejected, batch: unconfirmed},
		{body: `{"success":true,"dropped":1}`, alone: rejected, batch: unconfirmed},
		{body: `{"success":true,"status":"error"}`, alone: rejected, batch: unconfirmed},
		{body: `{"processed":2,"total":3}`, alone: rejected, batch: unconfirmed},
		{body: `{"ok":true,"success_count":2}`, alone: accepted, batch: unconfirmed},
		{body: `{"accepted":0}`, alone: rejected, batch: unconfirmed},
		{body: `[{"status":200},{"status":400}]`, status: 207, alone: rejected, batch: unconfirmed},
		{body: `{"results":[{"ok":true},{"ok":false}]}`, alone: rejected, batch: unconfirmed},
		{body: `{"responses":[201,409,201]}`, alone: rejected, batch: unconfirmed},
		{body: `{"status":"partial_success"}`, alone: rejected, batch: unconfirmed},

		{body: ``, status: 207, alone: unconfirmed, batch: unconfirmed},
		{body: `Hello`, alone: unconfirmed, batch: unconfirmed},
		{body: `{"status":"on fire"}`, alone: unconfirmed, batch: unconfirmed},
		{body: `{"ok":fal`, alone: unconfirmed, batch: unconfirmed},
		{body: `{"success":true}{"success":false}`, alone: unconfirmed, batch: unconfirmed},
	} {
		t.Run(fmt.Sprintf("%d %s", tt.status, tt.body), func(t *testing.T) {
			if tt.status == 0 {
				tt.status = 299 // for which the receiver adds no body of its own
			}
			r := newReceiver(t, reply{status: tt.status, body: tt.body})
			alone, _ := send(t, t.Context(), r, r.source())
			require.Equal(t, tt.alone, alone)
			report, err := r.source().Send(t.Context(), r.client(), tracking.Call{Messages: manyOrders(t, 3, 1)})
			require.Equal(t, map[tracking.Status]int{tt.batch: 3}, statuses(report))
			if tt.batch == accepted {
				require.NoError(t, err)
				return
			}
			e := failure(t, err)
			require.Equal(t, tt.status, cause(t, e).Status)
			if strings.HasPrefix(tt.body, "{") && strings.Contains(err.Error(), "not valid JSON") {
				require.Equal(t, retry.Unavailable, e.Code)
				require.Len(t, r.requests(), 8, "each is tried four times")
			} else {
				require.Equal(t, retry.Rejected, e.Code)
				require.Len(t, r.requests(), 2)
			}
		})
	}
}

// The failures in an answer count however many there are, and so however long the answer is.
func TestLongListOfFailures(t *testing.T) {
	for _, n := range []int{1023, 1024, 1500, 2500} {
		list := strings.Repeat(`{"code":"quota","message":"`+strings.Repeat("x", 60)+`"},`, n)
		r := newReceiver(t,
			reply{body: `{"ok":true,"padding":"` + strings.Repeat(" ", 1000) + `","errors":[` + strings.TrimSuffix(list,
				",") + `]}`})
		report, err := r.source().Send(t.Context(), r.client(), tracking.Call{Messages: manyOrders(t, n, 7)})
		require.Equal(t, retry.Rejected, failure(t, err).Code)
		require.Equal(t, map[tracking.Status]int{tracking.Unconfirmed: n}, statuses(report))
		require.Contains(t, err.Error(), "quota: xxx")
	}
}

// An answer that does not end, or breaks off, may have gone on to say that nothing was accepted.
func TestAnswerThatIsNotReadToItsEnd(t *testing.T) {
	bomb := func(w http.ResponseWriter, body string) {
		var packed bytes.Buffer
		z := gzip.NewWriter(&packed)
		_, _ = io.WriteString(z, body)
		for range 2 {
			_, _ = z.Write(bytes.Repeat([]byte(" "), 1<<20))
		}
		_ = z.Close()
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(packed.Bytes())
	}
	for name, tt := range map[string]struct {
		answer func(w http.ResponseWriter, r *http.Request)
		says   string
	}{
		"endless": {func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, `{"success":true`)
			for spaces := strings.Repeat(" ", 64<<10); r.Context().Err() == nil; {
				if _, err := io.WriteString(w, spaces); err != nil {
					return
				}
			}
		}, "answered 200 (ok); the answer is too long: it has more than 66,"},
		"compressed": {
			func(w http.ResponseWriter, _ *http.Request) { bomb(w, `{"success":true}`) },
			"the answer is too long",
		},
		"compressed, with spaces only": {
			func(w http.ResponseWriter, _ *http.Request) { bomb(w, "") },
			"the answer is too long",
		},
		"cut": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, `{"success":true}`)
		}, "the answer broke off: unexpected EOF"},
		"cut behind the start": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, `{"success":true}`+strings.Repeat(" ", 500))
		}, "the answer broke off: unexpected EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(tt.answer))
			defer server.Close()
			r := &receiver{Server: server}
			source := r.source()
			source.Retry.MaxRetries = 1
			status, e := send(t, t.Context(), r, source)
			require.Equal(t, tracking.Unconfirmed, status)
			require.Equal(t, retry.Unavailable, e.Code)
			require.True(t, e.Code.Retryable())
			require.Equal(t, 2, cause(t, e).Attempts)
			require.Contains(t, e.Error(), tt.says)
		})
	}
}

// Whatever a receiver does to a key that it repeats, the key is not seen in an error.
func TestEchoedKeyIsNotShown(t *testing.T) {
	key := string(testKey)
	lines := func(s string) string { return s[:10] + "\r\n    " + s[10:25] + "\r\n" + s[25:] }
	each := func(format string) string {
		var b strings.Builder
		for _, c := range []byte(key) {
			fmt.Fprintf(&b, format, c)
		}
		return b.String()
	}
	for name, echo := range map[string]string{
		"lower case":      strings.ToLower(key),
		"percent-encoded": each("%%%02X"),
		"encoded twice":   url.QueryEscape(each("%%%02x")),
		"JSON escapes":    each(`\u%04x`),
		"JSON in JSON":    `{"message":"` + each(`\\u%04X`) + `"}`,
		"HTML":            each("&#%d;"),
		"hex":             hex.EncodeToString([]byte(key)),
		"base64":          base64.StdEncoding.EncodeToString([]byte("user=x " + key + " y")),
		"base64, shifted": base64.StdEncoding.EncodeToString([]byte("user=xy " + key)),
		"base64 of a URL": base64.RawURLEncoding.EncodeToString([]byte("?>" + key + ":??")),
		"lines":           lines(key),
		"header in lines": lines(base64.StdEncoding.EncodeToString([]byte(key + ":"))),
		"in pieces":       strings.Join(strings.Split(key, ""), "-"),
	} {
		for _, body := range []string{
			echo,
			`{"success":false,"message":"` + strings.NewReplacer("\r", `\r`, "\n", `\n`).Replace(echo) + `"}`,
		} {
			location := map[string]string{"Location": "/" + url.PathEscape(echo)}
			r := newReceiver(t, reply{status: 400, body: "no: " + body, header: location})
			_, e := send(t, t.Context(), r, r.source())
			require.Equal(t, "(not shown: it holds the write key)", cause(t, e).Text, name)
			r = newReceiver(t, reply{status: 302, body: body, header: location})
			_, e = send(t, t.Context(), r, r.source())
			require.Contains(t, e.Error(), `redirects are not followed: "(not shown`, name)
		}
	}
	r := newReceiver(t, reply{status: 400, body: "your key ends in " + key[28:] + ", 100% of it is wrong"})
	_, e := send(t, t.Context(), r, r.source())
	require.Equal(t, "your key ends in Df28, 100% of it is wrong", cause(t, e).Text)
}

func TestShortWriteKeyIsRefused(t *testing.T) {
	for _, key := range []tracking.WriteKey{"k", "abc1234"} {
		err := tracking.Source{WriteKey: key}.Validate()
		require.EqualError(t, err, "the write key must have at least 8 characters; check that all of it was pasted")
	}
	require.NoError(t, tracking.Source{WriteKey: "abcd1234"}.Validate())
	require.NoError(t, tracking.Source{}.Validate(), "a call may bring a key")
}
