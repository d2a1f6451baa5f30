package rest_test

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/segment/emulator"
	"github.com/aacflow/segment-blocks/serve/invocations"
	"github.com/aacflow/segment-blocks/serve/rest"
)

func TestDelivery(t *testing.T) {
	dead := []uint64{3, 5, 8}
	remove := func(ids ...uint64) (int, error) {
		if len(ids) == 0 {
			ids = slices.Clone(dead)
		}
		if slices.Contains(ids, 13) {
			return 0, errors.New("the disk is gone")
		}
		for _, id := range ids {
			if !slices.Contains(dead, id) {
				return 0, &runtime.Error{
					Code: runtime.InvalidInput, Message: fmt.Sprintf("no dead letter has the id %d", id),
				}
			}
		}
		dead = slices.DeleteFunc(dead, func(id uint64) bool { return slices.Contains(ids, id) })
		return len(ids), nil
	}
	now := time.Now()
	b := startWith(t, rest.Config{
		Invocations: invocations.New(invocations.Config{}),
		Queues: map[string]rest.Queue{"other": {
			State: func() rest.QueueState {
				return rest.QueueState{
					Waiting: 4, InFlight: 1, Dead: len(dead), Oldest: now, LastError: "429", WaitsUntil: now,
					Delivered: 40, Retried: 2,
				}
			},
			Dead: func() iter.Seq2[rest.DeadLetter, error] {
				return func(yield func(rest.DeadLetter, error) bool) {
					for _, id := range dead {
						letter := rest.DeadLetter{
							ID: id, MessageID: fmt.Sprint("m", id), StoredAt: now, DiedAt: now, Reason: "400",
						}
						if !yield(letter, nil) {
							return
						}
					}
				}
			},
			Retry: remove, Drop: remove,
		}},
	})
	_, router := b.described()
	const invoke = "/v1/blocks/segment_track/invoke"
	require.NoError(t, b.segment.Script(emulator.Fault{Status: 503}, emulator.Fault{}, emulator.Fault{Status: 400}))
	for range 3 {
		b.ask("POST", invoke, order)
	}
	get := func(path string) map[string]any {
		a := b.check(router, true, "GET", path, "")
		require.Equal(t, 200, a.StatusCode, a.text)
		require.Equal(t, "no-store", a.Header.Get("Cache-Control"))
		got := map[string]any{}
		a.into(t, &got)
		return got
	}
	require.Equal(t, map[string]any{
		"source": "prod", "delivery": "direct", "invocations": 3.0, "failed": 1.0, "sent": 2.0, "stored": 0.0,
		"retried": 1.0,
	}, get("/v1/sources/prod/delivery"))
	at := now.Format(time.RFC3339Nano)
	require.Equal(t, map[string]any{
		"source": "other", "delivery": "direct", "invocations": 0.0, "failed": 0.0, "sent": 40.0, "stored": 0.0,
		"retried": 2.0, "queue": map[string]any{
			"waiting": 4.0, "inFlight": 1.0, "dead": 3.0, "oldest": at, "waitsUntil": at, "lastError": "429",
		},
	}, get("/v1/sources/other/delivery"))

	const letters = "/v1/sources/other/dead-letters"
	page := get(letters + "?limit=2")
	require.EqualValues(t, 5, page["cursor"])
	require.Len(t, page["deadLetters"], 2)
	require.Len(t, get(letters + "?after=5")["deadLetters"], 1)
	require.Empty(t, get(letters + "?after=8")["deadLetters"])

	post := func(what, body string) answer { return b.ask("POST", letters+what, body) }
	for _, body := range []string{
		"{}", "[]", `{"ids":[]}`, `{"ids":[-1]}`, `{"ids":[0]}`, `{"ids":[3],"all":true}`, `{"ids":["3"]}`,
		`{"all":false}`,
		`{"id":[3]}`, "{",
	} {
		p := b.requireProblem(post("/drop", body), 400, "invalid_request")
		require.Contains(t, p.Detail, `the body must be {"ids": [1, …]}`, body)
	}
	b.requireProblem(b.ask("POST", letters+"/drop", `{"all":true}`, "Content-Type", "text/plain"), 415,
		"unsupported_media_type")
	require.Contains(t, b.requireProblem(post("/retry", `{"ids":[3,4]}`), 422, "invalid_input").Detail, "has the id 4")
	require.Contains(t, b.requireProblem(post("/retry", `{"ids":[13]}`), 500, "internal").Detail, "the disk is gone")
	require.JSONEq(t, `{"changed":1}`, b.ask("POST", letters+"/retry", `{"ids":[3]}`).text)
	require.JSONEq(t, `{"changed":2}`, b.check(router, true, "POST", letters+"/drop", `{"all":true}`).text)
	require.Empty(t, dead)

	for _, path := range []string{"prod/dead-letters", "othr/dead-letters", "othr/delivery"} {
		b.requireProblem(b.check(router, false, "GET", "/v1/sources/"+path, ""), 404, "not_found")
	}
	b.requireProblem(b.ask("POST", "/v1/sources/prod/dead-letters/retry", `{"all":true}`), 404, "not_found")
	b.requireProblem(b.ask("GET", letters+"?limit=x", ""), 400, "invalid_request")
}
