//go:build unix

package delivery_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-resty/resty/v2"
	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/segment/delivery"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

// readingChild reads paths of stores, opens each, sends its messages to a receiver, and prints a
// line for it: that it was refused, or its dead letters.
func readingChild() {
	client := tracking.NewClient(resty.New())
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		options := delivery.StoreOptions{Client: client, Rate: -1, MaxBackoff: 10 * time.Millisecond}
		store, err := delivery.Open(lines.Text(), options)
		if err != nil {
			fmt.Println("refused " + strconv.Quote(err.Error()))
			continue
		}
		for _, stats := range store.Stats() {
			store.Source(stats.Source, tracking.Source{WriteKey: testKey, Endpoint: os.Args[1]})
		}
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		letters := []delivery.StoredMessage{}
		var reading error
		left, err := store.Close(ctx, func() {
			for _, stats := range store.Stats() {
				for l, err := range store.Dead(stats.Source) {
					reading = errors.Join(reading, err)
					letters = append(letters, l)
				}
			}
		})
		cancel()
		if err = errors.Join(err, reading); err != nil || left > 0 {
			fmt.Println("cannot:", left, err)
			return
		}
		if _, err := delivery.Check(context.Background(), lines.Text(), nil); err != nil {
			fmt.Println("cannot be opened again:", err)
			return
		}
		doc, _ := json.Marshal(letters)
		fmt.Println("opened " + string(doc))
	}
}

// sampleStore makes a store with waiting messages and dead letters, small and large, of two
// sources, and with free pages. It returns the file and its messages by their ids, with true for
// the dead.
func sampleStore(t *testing.T) (data []byte, known map[string]string, dead map[string]bool) {
	r := newReceiver(t, func(_ int, batch []message) reply {
		for _, m := range batch {
			switch m.Event {
			case "waits":
				return reply{status: 503}
			case "refused":
				return reply{status: 400}
			}
		}
		return reply{}
	})
	path := storePath(t)
	s := openStore(t, path, delivery.StoreOptions{})
	prod, other := s.Source("prod", r.source()), s.Source("other", r.source())
	var calls sync.WaitGroup
	for i := range 12 {
		calls.Go(func() { mustStore(t, prod, track(t, fmt.Sprint("u", i), "refused")) })
		calls.Go(func() { mustStore(t, prod, track(t, fmt.Sprint("v", i), "delivered")) })
	}
	calls.Wait()
	eventually(t, func() bool { st := s.Stats(); return st[1].Dead == 12 && st[1].Delivered == 12 })
	for i := range 120 {
		size := 10
		if i%20 == 0 {
			size = 10_000
		}
		mustStore(t, prod, track(t, "w"+strings.Repeat("x", size)+strconv.Itoa(i), "waits"))
		if i%10 == 0 {
			mustStore(t, other, track(t, strconv.Itoa(i), "waits"))
		}
	}
	known, dead = map[string]string{}, map[string]bool{}
	for _, source := range []string{"prod", "other"} {
		for l, err := range s.Waiting(source) {
			require.NoError(t, err)
			known[l.MessageID] = string(l.Message)
		}
		for l, err := range s.Dead(source) {
			require.NoError(t, err)
			known[l.MessageID], dead[l.MessageID] = string(l.Message), true
		}
	}
	require.Len(t, known, 144)
	_, err := s.Close(soon(t))
	require.NoError(t, err)
	data, err = os.ReadFile(path)
	require.NoError(t, err)
	return data, known, dead
}

// harm damages a file in a way that depends on the seed, and says how.
func harm(data []byte, seed uint64) ([]byte, string) {
	random := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // to be repeatable is the point
	data = append([]byte{}, data...)
	place := random.IntN(len(data))
	if random.IntN(2) == 0 { // in the head of a page, where it does most
		place = place&^4095 + random.IntN(96)
	}
	switch kind := random.IntN(20); {
	case kind == 0:
		return data[:place], fmt.Sprintf("cut off at %d", place)
	case kind == 1:
		place &^= 511
		clear(data[place:min(place+512, len(data))])
		return data, fmt.Sprintf("zeros from %d", place)
	case kind == 2: // as of a disk that wrote to the wrong place
		from := random.IntN(len(data)) &^ 4095
		copy(data[place&^4095:], data[from:min(from+4096, len(data))])
		return data, fmt.Sprintf("page %d over page %d", from/4096, place/4096)
	case kind <= 5:
		for range 2 + random.IntN(30) {
			data[random.IntN(len(data))] ^= 1 << random.IntN(8)
		}
		return data, "several bits"
	}
	bit := random.IntN(8)
	data[place] ^= 1 << bit
	return data, fmt.Sprintf("bit %d of byte %d", bit, place)
}

// A store that was damaged in any way delivers what was stored, or says of a message that it was
// damaged, or is refused as a whole. DAMAGE_SEEDS says in how many ways, without end if that is
// negative.
func TestDamageIsNoticed(t *testing.T) {
	seeds := number(t, "DAMAGE_SEEDS", 300)
	if testing.Short() {
		seeds = 50
	}
	data, known, dead := sampleStore(t)
	receiver := newFlapping(t)
	receiver.steady = true
	var p *process
	refused, affected := 0, 0
	for seed := uint64(0); seeds < 0 || seed < uint64(seeds); seed++ {
		damaged, how := harm(data, seed)
		what := fmt.Sprintf("seed %d: %s", seed, how)
		path := filepath.Join(t.TempDir(), "damaged.store")
		require.NoError(t, os.WriteFile(path, damaged, 0o600))
		if p == nil {
			p = startChild(t, receiver.URL)
		}
		_, err := fmt.Fprintln(p.in, path)
		require.NoError(t, err, what)
		line, alive := <-p.lines
		require.True(t, alive, "%s: the process has ended", what)
		arrived := receiver.forget()
		for id, raw := range arrived {
			require.Equal(t, known[id], raw, what)
			require.False(t, dead[id], "%s: a dead letter was sent", what)
		}
		if strings.HasPrefix(line, "refused ") {
			refused++
			require.Empty(t, arrived, what)
			requireSalvage(t, path, known, what)
			require.NoError(t, os.Remove(path))
			continue
		}
		list, opened := strings.CutPrefix(line, "opened ")
		require.True(t, opened, "%s: %s", what, line)
		var letters []delivery.StoredMessage
		require.NoError(t, json.Unmarshal([]byte(list), &letters), what)
		harmed := 0
		for _, l := range letters {
			if l.Damaged {
				harmed++
				require.Contains(t, l.Reason, "the message was damaged in the store", what)
				continue
			}
			require.True(t, dead[l.MessageID], what)
			require.Equal(t, known[l.MessageID], string(l.Message), what)
			require.Contains(t, l.Reason, "answered 400", what)
		}
		affected += min(harmed, 1)
		require.Len(t, known, len(arrived)+len(letters), what)
		require.NoError(t, os.Remove(path))
	}
	require.Positive(t, refused)
	require.Positive(t, affected)
	t.Logf("%d damaged files: %d refused, %d with damaged messages", seeds, refused, affected)
}

// requireSalvage checks the messages that can be read from a store that was refused.
func requireSalvage(t *testing.T, path string, known map[string]string, what string) {
	t.Helper()
	_, err := delivery.Check(t.Context(), path, func(m delivery.StoredMessage) {
		if !m.Damaged {
			require.Equal(t, known[m.MessageID], string(m.Message), what)
		}
	})
	require.Error(t, err, what)
}

// number returns the value of an environment variable, or a default.
func number(t *testing.T, variable string, otherwise int) int {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err, variable)
	return n
}
