package delivery_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"github.com/aacflow/segment-blocks/segment/delivery"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

func TestStoreHoldsNoKeyAndIsPrivate(t *testing.T) {
	r := newReceiver(t, func(int, []message) reply { return reply{status: 401} })
	path := storePath(t)
	s := openStore(t, path, delivery.StoreOptions{})
	source := s.Source("prod", r.source())
	mustStore(t, source, track(t, "u1", "A"))
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Contains(t, string(data), `"userId":"u1"`)
	require.Contains(t, string(data), testKey.Fingerprint())
	for _, secret := range []string{string(testKey), base64.StdEncoding.EncodeToString([]byte(testKey))} {
		require.False(t, bytes.Contains(data, []byte(secret)))
	}
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.EqualValues(t, 0o600, info.Mode().Perm())
}

func TestOneProcessAtATime(t *testing.T) {
	path := storePath(t)
	openStore(t, path, delivery.StoreOptions{})
	_, err := delivery.Open(path, delivery.StoreOptions{})
	require.ErrorIs(t, err, delivery.ErrInUse)
	require.EqualError(t, err, "open store "+path+": it is in use by another process")
}

func TestDamagedStores(t *testing.T) {
	whole := storePath(t)
	s := openStore(t, whole, delivery.StoreOptions{})
	source := s.Source("prod", tracking.Source{WriteKey: testKey, Endpoint: "http://127.0.0.1:1"})
	for i := range 200 {
		mustStore(t, source, track(t, "u1", strconv.Itoa(i)))
	}
	_, err := s.Close(soon(t))
	require.NoError(t, err)
	data, err := os.ReadFile(whole)
	require.NoError(t, err)
	for name, damaged := range map[string][]byte{
		"text":      []byte("this is no store at all, but it is long enough to be looked at\n"),
		"truncated": data[:20<<10],
		"a page":    data[:4096],
		"zeroed":    append(slices.Clone(data[:8192]), make([]byte, len(data)-8192)...),
	} {
		t.Run(name, func(t *testing.T) {
			path := storePath(t)
			require.NoError(t, os.WriteFile(path, damaged, 0o600))
			_, err := delivery.Open(path, delivery.StoreOptions{})
			require.ErrorContains(t, err, "open store "+path+": the file is damaged")
		})
	}
	other := storePath(t)
	db, err := bbolt.Open(other, 0o600, nil)
	require.NoError(t, err)
	require.NoError(t, db.Update(func(tx *bbolt.Tx) error { _, err := tx.CreateBucket([]byte("theirs")); return err }))
	require.NoError(t, db.Close())
	_, err = delivery.Open(other, delivery.StoreOptions{})
	require.ErrorContains(t, err, `is not a store of segment-blocks: it holds "theirs"`)
	_, err = delivery.Open(filepath.Join(t.TempDir(), "no", "folder"), delivery.StoreOptions{})
	require.ErrorIs(t, err, os.ErrNotExist)
}

// A file that is not a store is refused and left as it is, with its permissions.
func TestWhatIsNoStoreIsNotTouched(t *testing.T) {
	folder := t.TempDir()
	require.NoError(t, os.Chmod(folder, 0o755)) //nolint:gosec // as folders are
	_, err := delivery.Open(folder, delivery.StoreOptions{})
	require.EqualError(t, err, "open store "+folder+": it is a folder; a store is a file")
	text := filepath.Join(folder, "notes.txt")
	require.NoError(t, os.WriteFile(text, []byte("this is no store\n"), 0o600))
	theirs := filepath.Join(folder, "theirs.db")
	db, err := bbolt.Open(theirs, 0o600, nil)
	require.NoError(t, err)
	require.NoError(t, db.Update(func(tx *bbolt.Tx) error { _, err := tx.CreateBucket([]byte("theirs")); return err }))
	require.NoError(t, db.Close())
	for path, want := range map[string]string{
		text:   "the file is damaged, or is not a store of segment-blocks: ",
		theirs: "the file is not a store of segment-blocks: ",
	} {
		require.NoError(t, os.Chmod(path, 0o644)) //nolint:gosec // as files are
		before, err := os.ReadFile(path)
		require.NoError(t, err)
		_, err = delivery.Open(path, delivery.StoreOptions{})
		require.ErrorContains(t, err, want)
		after, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, before, after)
		requirePerm(t, path, 0o644)
	}
	requirePerm(t, folder, 0o755)
}

func requirePerm(t *testing.T, path string, want os.FileMode) {
	t.Helper()
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, want, info.Mode().Perm(), path)
}

// A store that others can read is made private, and an empty file becomes a store, which is logged.
func TestStoreIsMadePrivateOnceItIsOne(t *testing.T) {
	path := storePath(t)
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	require.NoError(t, os.Chmod(path, 0o644)) //nolint:gosec // that is the point
	var log bytes.Buffer
	s := openStore(t, path, delivery.StoreOptions{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	require.Contains(t, log.String(), "becomes a new store")
	requirePerm(t, path, 0o600)
	_, err := s.Close(soon(t))
	require.NoError(t, err)
	require.NoError(t, os.Chmod(path, 0o640)) //nolint:gosec // that is the point
	openStore(t, path, delivery.StoreOptions{})
	requirePerm(t, path, 0o600)
}

// One wrong id changes nothing, even if the others are right.
func TestUnknownLettersChangeNothing(t *testing.T) {
	r := newReceiver(t, func(int, []message) reply { return reply{status: 400} })
	s := openStore(t, storePath(t), delivery.StoreOptions{})
	mustStore(t, s.Source("prod", r.source()), track(t, "u1", "A"))
	eventually(t, func() bool { return only(t, s).Dead == 1 })
	for _, do := range []func(string, ...uint64) (int, error){s.Retry, s.Drop} {
		n, err := do("prod", 1, 306, 9999)
		require.ErrorIs(t, err, delivery.ErrIDs)
		require.EqualError(t, err,
			`source "prod" has no dead letters with these ids, and nothing was changed: 306, 9999`)
		require.Zero(t, n)
		require.Equal(t, 1, only(t, s).Dead)
		_, err = do("nobody", 1)
		require.ErrorContains(t, err, `source "nobody" has no dead letters`)
	}
	n, err := s.Drop("prod", 1)
	require.NoError(t, err)
	require.Equal(t, 1, n)
}

// Before a store is closed, when nothing is sent any more, it can still be read.
func TestCloseLetsTheStoreBeRead(t *testing.T) {
	r := newReceiver(t, func(int, []message) reply { return reply{status: 503} })
	path := storePath(t)
	s := openStore(t, path, delivery.StoreOptions{})
	source := s.Source("prod", r.source())
	id := mustStore(t, source, track(t, "u1", "A"))
	sent, found := 0, ""
	left, err := s.Close(soon(t), func() {
		sent = len(r.got())
		_, err := source.Send(soon(t), nil, one(track(t, "u1", "B")))
		require.ErrorContains(t, err, "the store has been closed")
		for m, err := range s.Waiting("prod") {
			require.NoError(t, err)
			found += m.MessageID
		}
	})
	require.NoError(t, err)
	require.Equal(t, id, found)
	require.Equal(t, 1, left)
	require.Len(t, r.got(), sent)
	require.Equal(t, testKey.Fingerprint(), only(t, openStore(t, path, delivery.StoreOptions{})).StoredWith)
}

func TestFullStoreRefuses(t *testing.T) {
	r := newReceiver(t, func(int, []message) reply { return reply{status: 503} })
	s := openStore(t, storePath(t), delivery.StoreOptions{MaxEvents: 2})
	source := s.Source("prod", r.source())
	mustStore(t, source, track(t, "u1", "A"))
	batch := tracking.Call{Messages: []tracking.Message{track(t, "u1", "B"), track(t, "u1", "C")}}
	report, err := source.Send(soon(t), nil, batch)
	require.ErrorContains(t, err,
		"nothing was stored or sent: the store is full: it holds 1 of 2 messages, dead letters included: ")
	require.Equal(t, tracking.Unsent, report.Messages[1].Status)
	var failed *tracking.Error
	require.ErrorAs(t, err, &failed)
	require.True(t, failed.Code.Retryable())
	mustStore(t, source, track(t, "u1", "B"))

	small := openStore(t, storePath(t), delivery.StoreOptions{MaxBytes: 100})
	_, err = small.Source("prod", r.source()).Send(soon(t), nil, one(track(t, "u1", "A")))
	require.ErrorContains(t, err, "it holds 0 of 100 bytes")
}

func TestCloseOfABusyStoreKeepsTheRest(t *testing.T) {
	var closed atomic.Bool
	held := make(chan struct{})
	r := newReceiver(t, func(n int, _ []message) reply {
		if n > 0 && !closed.Load() {
			<-held // so that something is left
		}
		return reply{}
	})
	path := storePath(t)
	s := openStore(t, path, delivery.StoreOptions{})
	source := s.Source("prod", r.source())
	var stored atomic.Int64
	var calls sync.WaitGroup
	for i := range 16 {
		calls.Go(func() {
			for {
				_, err := source.Send(soon(t), nil, one(track(t, fmt.Sprint("u", i), "A")))
				var failed *tracking.Error
				if errors.As(err, &failed) {
					require.Equal(t, tracking.Closed, failed.Code)
					return
				}
				require.NoError(t, err)
				stored.Add(1)
			}
		})
	}
	eventually(t, func() bool { return len(r.got()) == 2 && stored.Load() > 100 })
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	left, err := s.Close(ended)
	require.NoError(t, err)
	closed.Store(true)
	close(held)
	calls.Wait()
	require.Positive(t, left)
	require.EqualValues(t, stored.Load(), int64(left)+only(t, s).Delivered)
	again := openStore(t, path, delivery.StoreOptions{})
	require.Equal(t, left, only(t, again).Waiting)
	again.Source("prod", r.source())
	left, err = again.Close(soon(t))
	require.NoError(t, err)
	require.Zero(t, left)
}
