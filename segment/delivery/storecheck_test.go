package delivery_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"github.com/aacflow/segment-blocks/segment/delivery"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

// closedStore makes a store with waiting messages, and returns its path and contents.
func closedStore(t *testing.T, events ...string) (path string, data []byte) {
	t.Helper()
	path = storePath(t)
	s := openStore(t, path, delivery.StoreOptions{})
	source := s.Source("prod", tracking.Source{WriteKey: testKey, Endpoint: "http://127.0.0.1:1"})
	for _, event := range events {
		mustStore(t, source, track(t, "u1", event))
	}
	_, err := s.Close(soon(t))
	require.NoError(t, err)
	data, err = os.ReadFile(path)
	require.NoError(t, err)
	return path, data
}

func letters(t *testing.T, s *delivery.Store) (list []delivery.StoredMessage) {
	t.Helper()
	for l, err := range s.Dead("prod") {
		require.NoError(t, err)
		list = append(list, l)
	}
	return list
}

// A message that has changed on disk is not sent, not even by Retry.
func TestDamagedMessageBecomesADeadLetter(t *testing.T) {
	path, data := closedStore(t, "first", "second", "third")
	require.Contains(t, string(data), `"event":"second"`)
	require.NoError(t, os.WriteFile(path, bytes.ReplaceAll(data, []byte("second"), []byte("sekond")), 0o600))
	stats, err := delivery.Check(t.Context(), path, nil)
	require.NoError(t, err)
	require.Equal(t, []int{3, 0, 1}, []int{stats[0].Waiting, stats[0].Dead, stats[0].Damaged})

	r := newReceiver(t, nil)
	s := openStore(t, path, delivery.StoreOptions{})
	s.Source("prod", r.source())
	eventually(t, func() bool { return only(t, s).Waiting == 0 })
	require.Equal(t, 1, only(t, s).Dead)
	require.EqualValues(t, 2, only(t, s).Delivered)
	require.Len(t, ids(r.got()), 2)
	l := letters(t, s)[0]
	require.True(t, l.Damaged)
	require.Empty(t, l.MessageID)
	require.Contains(t, string(l.Message), `\"event\":\"sekond\"`)
	require.Contains(t, l.Reason, "the message was damaged in the store")

	_, err = s.Retry("prod", l.ID)
	require.EqualError(t, err,
		`dead letters of source "prod" are damaged and cannot be sent, and nothing was changed: 2`)
	n, err := s.Retry("prod")
	require.NoError(t, err)
	require.Zero(t, n)
	_, err = s.Close(soon(t))
	require.NoError(t, err)
	stats, err = delivery.Check(t.Context(), path, nil)
	require.NoError(t, err)
	require.Equal(t, []int{0, 1, 1}, []int{stats[0].Waiting, stats[0].Dead, stats[0].Damaged})
	again := openStore(t, path, delivery.StoreOptions{})
	n, err = again.Drop("prod", l.ID)
	require.NoError(t, err)
	require.Equal(t, 1, n)
}

// For bbolt the page of the last transaction but one is enough, but that does not have the message
// that was stored last.
func TestLastTransactionIsNotForgotten(t *testing.T) {
	path, data := closedStore(t, "first", "second")
	for page := range 2 {
		damaged := bytes.Clone(data)
		damaged[page*os.Getpagesize()+64] ^= 1
		require.NoError(t, os.WriteFile(path, damaged, 0o600))
		_, err := delivery.Open(path, delivery.StoreOptions{})
		require.ErrorIs(t, err, delivery.ErrDamaged)
		require.ErrorContains(t, err, "page "+strconv.Itoa(page)+": it does not match its checksum")
	}
}

func TestCheckChangesNothing(t *testing.T) {
	path, data := closedStore(t, "first", "second")
	stats, err := delivery.Check(t.Context(), path, nil)
	require.NoError(t, err)
	require.Len(t, stats, 1)
	require.Equal(t, []int{2, 0, 0}, []int{stats[0].Waiting, stats[0].Dead, stats[0].Damaged})
	require.WithinDuration(t, time.Now(), stats[0].Oldest, time.Minute)
	require.Equal(t, testKey.Fingerprint(), stats[0].StoredWith)
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, data, after)
	openStore(t, path, delivery.StoreOptions{})
	_, err = delivery.Check(t.Context(), path, nil)
	require.ErrorIs(t, err, delivery.ErrInUse)
	_, err = delivery.Check(t.Context(), storePath(t), nil)
	require.ErrorIs(t, err, os.ErrNotExist)
}

// Lost messages are reported, and the others can be read.
func TestSalvage(t *testing.T) {
	var events []string
	for i := range 100 {
		events = append(events, strconv.Itoa(i))
	}
	path, data := closedStore(t, events...)
	hit := bytes.LastIndex(data, []byte(`"event":"99"`)) &^ (os.Getpagesize() - 1) // the leaf with the last message
	data[hit+10] ^= 1                                                              // the number of its elements
	require.NoError(t, os.WriteFile(path, data, 0o600))
	_, err := delivery.Open(path, delivery.StoreOptions{})
	require.ErrorIs(t, err, delivery.ErrDamaged)
	require.Regexp(t, `: page \d+: element 0 is not where it should be; \d+ of 100 messages can be read$`, err.Error())
	saved := 0
	_, checking := delivery.Check(t.Context(), path, func(m delivery.StoredMessage) {
		require.Equal(t, "prod", m.Source)
		require.Contains(t, string(m.Message), `"event":"`+strconv.FormatUint(m.ID-1, 10)+`"`)
		require.Zero(t, m.DiedAt)
		saved++
	})
	require.ErrorIs(t, checking, delivery.ErrDamaged)
	require.Greater(t, saved, 50)
	require.Less(t, saved, 100)
	require.ErrorContains(t, err, strconv.Itoa(saved)+" of 100 messages")
}

func TestStoreOfAnotherFormat(t *testing.T) {
	path := storePath(t)
	db, err := bbolt.Open(path, 0o600, nil)
	require.NoError(t, err)
	require.NoError(t, db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucket([]byte("segment-blocks"))
		require.NoError(t, err)
		return b.Put([]byte("format"), []byte("1"))
	}))
	require.NoError(t, db.Close())
	_, err = delivery.Open(path, delivery.StoreOptions{})
	require.ErrorContains(t, err,
		`the file was written by another release; deliver its messages with that one: its format is "1"`)
	require.NotErrorIs(t, err, delivery.ErrDamaged)
}

// If somebody truncates an open file, reading and writing fail, but the process does not crash.
func TestStoreIsCutOffWhileOpen(t *testing.T) {
	path, _ := closedStore(t, "first", "second")
	s := openStore(t, path, delivery.StoreOptions{})
	if err := os.Truncate(path, int64(2*os.Getpagesize())); err != nil {
		t.Skipf("the system protects a file in use: %v", err)
	}
	var last error
	for _, err := range s.Waiting("prod") {
		last = err
	}
	require.ErrorContains(t, last, "read store "+path+": reading panicked: ")
	source := s.Source("prod", tracking.Source{WriteKey: testKey, Endpoint: "http://127.0.0.1:1"})
	for range 2 {
		_, err := source.Send(soon(t), newClient(t), one(track(t, "u1", "third")))
		require.ErrorContains(t, err,
			"nothing was stored or sent: the store cannot be written until it is opened again")
	}
	left, err := s.Close(soon(t))
	require.Equal(t, 2, left)
	require.ErrorContains(t, err, "close store "+path+": the store cannot be written")
}

// A store that bbolt's own tools have rewritten lists its free pages, and is still a store.
func TestCompactedStore(t *testing.T) {
	path, _ := closedStore(t, "first", "second")
	from, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true})
	require.NoError(t, err)
	compacted := storePath(t)
	to, err := bbolt.Open(compacted, 0o600, nil)
	require.NoError(t, err)
	require.NoError(t, bbolt.Compact(to, from, 0))
	require.NoError(t, from.Close())
	require.NoError(t, to.Close())
	require.Equal(t, 2, only(t, openStore(t, compacted, delivery.StoreOptions{})).Waiting)
}

// Many dead letters are put back in several transactions.
func TestManyDeadLettersAreRetried(t *testing.T) {
	r := newReceiver(t, nil)
	path := storePath(t)
	s := openStore(t, path, delivery.StoreOptions{MaxAge: time.Nanosecond})
	messages := make([]tracking.Message, 2500)
	for i := range messages {
		messages[i] = track(t, "u1", strconv.Itoa(i))
	}
	_, err := s.Source("prod", r.source()).Send(soon(t), newClient(t), tracking.Call{Messages: messages})
	require.NoError(t, err)
	eventually(t, func() bool { return only(t, s).Dead == 2500 })
	_, err = s.Close(soon(t))
	require.NoError(t, err)
	again := openStore(t, path, delivery.StoreOptions{})
	n, err := again.Retry("prod")
	require.NoError(t, err)
	require.Equal(t, 2500, n)
	require.Equal(t, []int{2500, 0}, []int{only(t, again).Waiting, only(t, again).Dead})
	again.Source("prod", r.source())
	eventually(t, func() bool { return only(t, again).Delivered == 2500 })
	inOrderOfUsers(t, r.got(), 2500)
}

// A store is checked while it stores and sends.
func TestCheckOfAnOpenStore(t *testing.T) {
	r := newReceiver(t, nil)
	path := storePath(t)
	s := openStore(t, path, delivery.StoreOptions{})
	source := s.Source("prod", r.source())
	var calls sync.WaitGroup
	var ended atomic.Bool
	for i := range 4 {
		calls.Go(func() {
			for n := 0; !ended.Load(); n++ {
				mustStore(t, source, track(t, fmt.Sprint("u", i), strconv.Itoa(n)))
			}
		})
	}
	for range 30 {
		stats, err := s.Check(t.Context())
		require.NoError(t, err)
		for _, one := range stats {
			require.Equal(t, []int{0, 0}, []int{one.Dead, one.Damaged})
		}
	}
	ended.Store(true)
	calls.Wait()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Check(gone)
	require.ErrorIs(t, err, context.Canceled)
	require.NotErrorIs(t, err, delivery.ErrDamaged)
}

// Damage shows while the store is open.
func TestDamageOfAnOpenStore(t *testing.T) {
	path, _ := closedStore(t, "first", "second", "third")
	s := openStore(t, path, delivery.StoreOptions{})
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	defer file.Close()
	data, err := io.ReadAll(file)
	require.NoError(t, err)
	var places []int64 // one is in use, others may be in pages that are free by now
	for at := range data {
		if bytes.HasPrefix(data[at:], []byte("second")) {
			places = append(places, int64(at))
		}
	}
	for _, at := range places {
		_, err = file.WriteAt([]byte("sekond"), at)
		require.NoError(t, err)
	}
	stats, err := s.Check(t.Context())
	require.NoError(t, err)
	require.Equal(t, []int{3, 0, 1}, []int{stats[0].Waiting, stats[0].Dead, stats[0].Damaged})
	require.Equal(t, testKey.Fingerprint(), stats[0].StoredWith)
	for _, at := range places {
		leaf := at &^ int64(os.Getpagesize()-1)
		_, err = file.WriteAt([]byte{0xFF}, leaf+10) // the number of its elements
		require.NoError(t, err)
	}
	_, err = s.Check(t.Context())
	require.ErrorIs(t, err, delivery.ErrDamaged)
	require.ErrorContains(t, err, "check store "+path+": ")
}
