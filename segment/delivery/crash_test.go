//go:build unix

package delivery_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/go-resty/resty/v2"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/runtime/retry"
	"github.com/aacflow/segment-blocks/segment/delivery"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

// The test binary also runs as a process that stores messages: see child.
const childVariable = "DELIVERY_TEST_CHILD"

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(childVariable) == "":
		goleak.VerifyTestMain(m)
	case len(os.Args) == 2:
		readingChild()
	default:
		child()
	}
}

// child keeps a store at arguments 1, for the receiver at 2. It reads lines of a user and a
// number, stores an event of each, and answers with the line, its messageId or an error once
// Deliver has returned. With argument 3 files may not grow beyond so many bytes.
func child() {
	if len(os.Args) > 3 {
		signal.Ignore(syscall.SIGXFSZ) // the default ends the process; what is wanted is that writing fails
		n, _ := strconv.ParseUint(os.Args[3], 10, 64)
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: n, Max: n}); err != nil {
			fmt.Println("cannot:", err)
			return
		}
	}
	client := tracking.NewClient(resty.New())
	options := delivery.StoreOptions{Client: client, Rate: -1, MaxBackoff: 20 * time.Millisecond}
	store, err := delivery.Open(os.Args[1], options)
	if err != nil {
		fmt.Println("cannot:", err)
		return
	}
	source := store.Source("prod", tracking.Source{
		WriteKey: testKey, Endpoint: os.Args[2], Retry: retry.Policy{BaseDelay: time.Millisecond},
	})
	var out sync.Mutex
	say := func(args ...any) {
		out.Lock()
		defer out.Unlock()
		fmt.Println(args...)
	}
	say("ready")
	users := map[string]chan string{}
	var all sync.WaitGroup
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		user, number, _ := strings.Cut(lines.Text(), " ")
		if users[user] == nil {
			numbers := make(chan string, 1000)
			users[user] = numbers
			all.Go(func() {
				for number := range numbers { // one after the other, as their order counts
					input := `{"event":"` + number + `","userId":"` + user + `","properties":{"x":"` +
						strings.Repeat("x", 300) + `"}}`
					fields, _ := rawjson.ParseObject([]byte(input), rawjson.Limits{})
					report, err := source.Send(context.Background(), client, tracking.Call{
						Messages: []tracking.Message{tracking.NewMessage(tracking.Track, fields)}, Alone: true,
						InvocationID: user + "/" + number,
					})
					if err != nil {
						say(user, number, "error", err)
						continue
					}
					say(user, number, report.Messages[0].MessageID)
				}
			})
		}
		users[user] <- number
	}
	for _, u := range users {
		close(u)
	}
	all.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	left, err := store.Close(ctx)
	say("closed", left, err)
}

type process struct {
	*exec.Cmd
	in    io.WriteCloser
	lines chan string
}

func startChild(t *testing.T, args ...string) *process {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	p := &process{Cmd: exec.Command(self, args...), lines: make(chan string, 10_000)}
	p.Env = append(os.Environ(), childVariable+"=1")
	p.Stderr = os.Stderr
	p.in, err = p.StdinPipe()
	require.NoError(t, err)
	out, err := p.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, p.Start())
	read := make(chan struct{})
	go func() {
		defer close(read)
		defer close(p.lines)
		lines := bufio.NewScanner(out)
		for lines.Buffer(nil, 8<<20); lines.Scan(); {
			p.lines <- lines.Text()
		}
	}()
	t.Cleanup(func() {
		_ = p.Process.Kill()
		for range p.lines { // until the pipe is empty
		}
		<-read
		_ = p.Wait()
	})
	return p
}

// flapping is a receiver that refuses, breaks off and forgets to answer, and remembers the
// first arrival of each message.
type flapping struct {
	*httptest.Server
	mu       sync.Mutex
	steady   bool
	contents map[string]string
	order    map[string][]string // of events of each user, by first arrival
	repeats  int
	wrong    []string
}

func newFlapping(t *testing.T) *flapping {
	f := &flapping{contents: map[string]string{}, order: map[string][]string{}}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

func (f *flapping) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var sent struct{ Batch []json.RawMessage }
	if err != nil || json.Unmarshal(body, &sent) != nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	draw := rand.N(10)
	if f.steady {
		draw = 9
	}
	if draw == 0 {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	for _, raw := range sent.Batch {
		var m message
		_ = json.Unmarshal(raw, &m)
		if before, repeat := f.contents[m.MessageID]; repeat {
			f.repeats++
			if before != string(raw) {
				f.wrong = append(f.wrong, m.MessageID)
			}
			continue
		}
		f.contents[m.MessageID] = string(raw)
		f.order[m.UserID] = append(f.order[m.UserID], m.Event)
	}
	if draw <= 2 { // taken, and nobody knows
		if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
			_ = conn.(*net.TCPConn).SetLinger(0)
			_ = conn.Close()
		}
		return
	}
	_, _ = io.WriteString(w, `{"success":true}`)
}

// forget returns the arrivals so far, and forgets them.
func (f *flapping) forget() map[string]string {
	f.mu.Lock()
	defer f.mu.Unlock()
	arrived := f.contents
	f.contents = map[string]string{}
	return arrived
}

// A process that stores is killed again and again, KILLS times, without end if that is negative.
// All that it had acknowledged arrives, in order.
func TestNothingAcknowledgedIsLostWhenKilled(t *testing.T) {
	kills := number(t, "KILLS", 15)
	if testing.Short() {
		kills = 4
	}
	receiver := newFlapping(t)
	path := filepath.Join(t.TempDir(), "prod.store")
	acknowledged := map[string]string{} // the ids, by line
	const users = 8
	next := make([]int, users)
	for n := 0; kills < 0 || n < kills; n++ {
		p := startChild(t, path, receiver.URL)
		require.Equal(t, "ready", <-p.lines)
		killed := make(chan struct{})
		go func() {
			defer close(killed)
			time.Sleep(time.Duration(rand.N(250)) * time.Millisecond)
			_ = p.Process.Kill()
		}()
		for done := false; !done; {
			for u := range users {
				if _, err := fmt.Fprintf(p.in, "u%d %d\n", u, next[u]); err != nil {
					done = true
					break
				}
				next[u]++
			}
			select {
			case <-killed:
				done = true
			case <-time.After(200 * time.Microsecond):
			}
		}
		<-killed
		for line := range p.lines {
			note(t, acknowledged, line)
		}
	}
	receiver.mu.Lock()
	receiver.steady = true
	receiver.mu.Unlock()
	last := startChild(t, path, receiver.URL)
	require.Equal(t, "ready", <-last.lines)
	require.NoError(t, last.in.Close())
	require.Equal(t, "closed 0 <nil>", <-last.lines)

	receiver.mu.Lock()
	defer receiver.mu.Unlock()
	require.Greater(t, len(acknowledged), kills)
	for line, id := range maps.All(acknowledged) {
		_, arrived := receiver.contents[id] // require.Contains would look at all of them
		require.True(t, arrived, line)
	}
	require.Empty(t, receiver.wrong, "repeats must be identical")
	for user, events := range receiver.order {
		before := -1
		for _, e := range events {
			n, err := strconv.Atoi(e)
			require.NoError(t, err)
			require.Greater(t, n, before, "of %s", user)
			before = n
		}
	}
	t.Logf("%d acknowledged, %d arrived, %d repeats", len(acknowledged), len(receiver.contents), receiver.repeats)
}

// note keeps an acknowledgement. The last line of a process that was killed may be cut off.
func note(t *testing.T, acknowledged map[string]string, line string) {
	t.Helper()
	words := strings.Fields(line)
	if len(words) == 3 && len(words[2]) == 36 {
		acknowledged[words[0]+" "+words[1]] = words[2]
		return
	}
	require.NotContains(t, line, "error")
}

// If the file cannot grow, as on a full disk, calls fail, and stored messages stay. Once some have
// been sent there is room again.
func TestFullDisk(t *testing.T) {
	var up atomic.Bool
	receiver := newReceiver(t, func(int, []message) reply {
		if up.Load() {
			return reply{}
		}
		return reply{status: 503}
	})
	path := filepath.Join(t.TempDir(), "prod.store")
	p := startChild(t, path, receiver.URL, strconv.Itoa(256<<10))
	require.Equal(t, "ready", <-p.lines)
	n, stored, refused := 0, 0, 0
	store := func() bool {
		_, err := fmt.Fprintf(p.in, "u1 %d\n", n)
		require.NoError(t, err)
		n++
		line := <-p.lines
		if !strings.Contains(line, "error") {
			stored++
			return true
		}
		require.Contains(t, line, "nothing was stored or sent: ")
		require.Contains(t, line, "file too large")
		refused++
		return false
	}
	for refused < 3 && n < 2000 {
		store()
	}
	require.Positive(t, stored)
	require.Equal(t, 3, refused)
	up.Store(true)
	eventually(t, store)
	up.Store(false)
	require.NoError(t, p.in.Close())
	var closed string
	for closed = range p.lines {
	}
	require.Regexp(t, `^closed \d+ <nil>$`, closed)
	require.NoError(t, p.Wait())

	s := openStore(t, path, delivery.StoreOptions{})
	require.Equal(t, closed, fmt.Sprintf("closed %d <nil>", only(t, s).Waiting))
	up.Store(true)
	s.Source("prod", receiver.source())
	eventually(t, func() bool { return only(t, s).Waiting == 0 })
	arrived := map[string]bool{}
	for _, id := range ids(receiver.got()) {
		arrived[id] = true
	}
	require.Len(t, arrived, stored)
}
