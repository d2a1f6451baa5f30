package delivery_test

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"github.com/aacflow/segment-blocks/segment/delivery"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

// toFormat2 moves the messages of a source to where format 2 has them, except for the first moved
// ones, as after a process that ended while it moved them.
func toFormat2(t *testing.T, path, source string, moved int) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoFreelistSync: true})
	require.NoError(t, err)
	require.NoError(t, db.Update(func(tx *bbolt.Tx) error {
		if moved == 0 {
			require.NoError(t, tx.Bucket([]byte("segment-blocks")).Put([]byte("format"), []byte("2")))
		}
		sources := tx.Bucket([]byte("sources"))
		credential := bytes.Clone(sources.Get([]byte(source)))
		require.NoError(t, sources.Delete([]byte(source)))
		old, err := sources.CreateBucket([]byte(source))
		require.NoError(t, err)
		require.NoError(t, old.Put([]byte("credential"), credential))
		for _, kind := range []string{"waiting", "dead"} {
			to, err := old.CreateBucket([]byte(kind))
			require.NoError(t, err)
			from := tx.Bucket([]byte(kind + "/" + source))
			require.NoError(t, to.SetSequence(from.Sequence()))
			require.NoError(t, from.ForEach(func(key, value []byte) error {
				if moved--; moved >= 0 {
					return nil
				}
				return to.Put(key, value)
			}))
			require.NoError(t, to.ForEach(func(key, _ []byte) error { return from.Delete(key) }))
			if key, _ := from.Cursor().First(); key == nil {
				require.NoError(t, tx.DeleteBucket([]byte(kind+"/"+source)))
			}
		}
		return nil
	}))
	require.NoError(t, db.Close())
}

// A store of format 2 continues, also if a process ended while it moved the messages.
func TestStoreOfFormat2(t *testing.T) {
	dead := newReceiver(t, func(int, []message) reply { return reply{status: 400} })
	for _, moved := range []int{0, 1, 1000, 1500} {
		t.Run(fmt.Sprintf("moved=%d", moved), func(t *testing.T) {
			path, _ := closedStore(t, "0", "1")
			s := openStore(t, path, delivery.StoreOptions{})
			_, err := s.Source("other", dead.source()).Send(soon(t), nil, one(track(t, "u1", "refused")))
			require.NoError(t, err)
			eventually(t, func() bool { return s.Stats()[0].Dead == 1 })
			messages := make([]tracking.Message, 1500)
			for i := range messages {
				messages[i] = track(t, "u1", strconv.Itoa(i+2))
			}
			source := s.Source("prod", tracking.Source{WriteKey: testKey, Endpoint: "http://127.0.0.1:1"})
			_, err = source.Send(soon(t), nil, tracking.Call{Messages: messages})
			require.NoError(t, err)
			_, err = s.Close(soon(t))
			require.NoError(t, err)
			toFormat2(t, path, "other", 0)
			toFormat2(t, path, "prod", moved)

			data, err := os.ReadFile(path)
			require.NoError(t, err)
			stats, err := delivery.Check(t.Context(), path, nil)
			require.NoError(t, err)
			require.Equal(t, []int{0, 1}, []int{stats[0].Waiting, stats[0].Dead})
			require.Equal(t, []int{1502, 0}, []int{stats[1].Waiting, stats[1].Dead})
			require.Equal(t, testKey.Fingerprint(), stats[1].StoredWith)
			after, err := os.ReadFile(path)
			require.NoError(t, err)
			require.True(t, bytes.Equal(data, after), "a check changes nothing")

			r := newReceiver(t, nil)
			s = openStore(t, path, delivery.StoreOptions{})
			require.WithinDuration(t, time.Now(), s.Stats()[1].Oldest, time.Minute)
			mustStore(t, s.Source("prod", r.source()), track(t, "u1", "1502"))
			n, err := s.Retry("other")
			require.NoError(t, err)
			require.Equal(t, 1, n)
			eventually(t, func() bool { return s.Stats()[1].Delivered == 1503 })
			inOrderOfUsers(t, r.got(), 1503)
			_, err = s.Check(t.Context())
			require.NoError(t, err)
			_, err = s.Close(soon(t))
			require.NoError(t, err)
			stats, err = delivery.Check(t.Context(), path, nil)
			require.NoError(t, err)
			require.Equal(t, []int{1, 0}, []int{stats[0].Waiting, stats[1].Waiting})
		})
	}
}
