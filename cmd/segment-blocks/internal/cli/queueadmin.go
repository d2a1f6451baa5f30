package cli

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/aacflow/segment-blocks/segment/delivery"
)

// queueRequest is what a queue command asks of a store: to list its messages, stats, to change dead
// letters, or to check it. The same request is put to a store in this process and, as JSON, to one
// in another.
type queueRequest struct {
	Do     string   `json:"do"`
	Source string   `json:"source,omitempty"`
	IDs    []uint64 `json:"ids,omitempty"`
}

// queueAnswer is a line of the answer: one for each message, and one that ends it. The last line
// tells a whole answer from one that was cut off.
type queueAnswer struct {
	Message *delivery.StoredMessage `json:"message,omitempty"`
	Done    bool                    `json:"done,omitempty"`
	Stats   []delivery.Stats        `json:"stats,omitempty"`
	Changed int                     `json:"changed,omitempty"`
	Error   string                  `json:"error,omitempty"`
}

// asker does what a request asks of a store, be it open here or elsewhere, damaged or not there. It
// calls visit with each message until that returns false, and returns the end of the answer.
type asker func(r queueRequest, visit visitor) (queueAnswer, error)

// visitor is called with a message, and returns false when it has seen enough.
type visitor = func(delivery.StoredMessage) bool

// askStore asks a store that this process has open, on behalf of another process or of itself.
func askStore(ctx context.Context, store *delivery.Store, r queueRequest, visit visitor) (a queueAnswer, err error) {
	list := store.Dead
	switch r.Do {
	case "stats":
		a.Stats = store.Stats()
		return a, nil
	case "check":
		a.Stats, err = store.Check(ctx)
		return a, err
	case "retry":
		a.Changed, err = store.Retry(r.Source, r.IDs...) //nolint:contextcheck // a change is made whole
		return a, err
	case "drop":
		a.Changed, err = store.Drop(r.Source, r.IDs...) //nolint:contextcheck // a change is made whole
		return a, err
	case "waiting":
		list = store.Waiting
	}
	// The messages are read as they are visited, because there may be more than memory can hold.
	for m, err := range list(r.Source) {
		if err != nil || !visit(m) {
			return a, err
		}
	}
	return a, nil
}

// askFile asks a store that no process has open. It reads the file without opening the store, which
// could change it: what is damaged is found, and messages beside the damage are visited. Only a
// change opens it.
func askFile(ctx context.Context, path string, r queueRequest, visit visitor) (a queueAnswer, err error) {
	if r.Do == "retry" || r.Do == "drop" {
		store, err := delivery.Open(path, delivery.StoreOptions{}) //nolint:contextcheck // opening is short
		if errors.Is(err, delivery.ErrDamaged) {
			err = fmt.Errorf("a damaged store cannot be changed: %w", err)
		}
		if err != nil {
			return a, err
		}
		// Nothing is sent meanwhile: a store sends for the sources that are added to it.
		a, err = askStore(ctx, store, r, visit)
		_, closing := store.Close(ctx)
		return a, errors.Join(err, closing)
	}
	// A check reads the whole file. Its context ends it where visit has seen enough.
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	enough := false
	match := func(m delivery.StoredMessage) {
		listed := m.DiedAt.IsZero() == (r.Do == "waiting") ||
			r.Do == "dead" && m.Damaged // the next start makes it a dead letter
		if !enough && listed && m.Source == r.Source && !visit(m) {
			enough = true
			stop()
		}
	}
	if visit == nil { // only counts are asked for
		match = nil
	}
	a.Stats, err = delivery.Check(ctx, path, match)
	if enough {
		err = nil // the rest of the file need not be read
	}
	return a, err
}

// remoteStore is the store of a process that is running: see [heldStore]. Its members are the file
// beside the store.
type remoteStore struct {
	URL   string `json:"url"`
	Token string `json:"token"`
}

// dialStore returns the store of the process that has it open, nil where none answers. The file
// that says where to ask may be that of a process that was killed, so only an answer counts.
func dialStore(ctx context.Context, path string) *remoteStore {
	s := &remoteStore{}
	doc, err := os.ReadFile(adminFile(path))
	if err == nil {
		err = json.Unmarshal(doc, s)
	}
	if err == nil {
		_, err = s.ask(ctx, queueRequest{Do: "stats"}, nil)
	}
	if err != nil {
		return nil // it is gone
	}
	return s
}

// ask asks over HTTP. It reads the answer line by line, and ends it early when visit has seen
// enough.
func (s *remoteStore) ask(ctx context.Context, r queueRequest, visit visitor) (a queueAnswer, err error) {
	body, err := json.Marshal(r)
	if err != nil {
		return a, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL, bytes.NewReader(body))
	if err != nil {
		return a, err
	}
	req.Header.Set("Authorization", "Bearer "+s.Token)
	req.Close = true // a connection that stays open would hold up the end of the process that is asked
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return a, fmt.Errorf("ask the running segment-blocks: %w", bare(err))
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return a, fmt.Errorf("the running segment-blocks answered %d", res.StatusCode)
	}
	// A process that ends in the middle leaves an answer without its last line, which is an error.
	for in := json.NewDecoder(res.Body); ; {
		var line queueAnswer
		switch err := in.Decode(&line); {
		case err != nil:
			return a, fmt.Errorf("the running segment-blocks broke off its answer: %w", err)
		case line.Error != "":
			return line, errors.New(line.Error)
		case line.Done || line.Message != nil && !visit(*line.Message):
			return line, nil
		}
	}
}

// heldStore is a store that this process has open, which the lock on its file allows to one process
// only. So it answers the queue commands of other processes: it listens on this machine, on a port
// of its own, and wants a token. Both are in a file beside the store, which only its owner can
// read.
type heldStore struct {
	*delivery.Store
	path    string
	token   string
	server  *http.Server // nil where it does not listen
	serving sync.WaitGroup
}

// adminFile returns the file beside a store that says where the process that has it open listens.
// Whoever may read the store may read that file, and nobody else.
func adminFile(store string) string { return store + ".admin" }

// listen lets other processes ask the store. It listens before it writes the file, so that whoever
// reads the file gets an answer. It replaces the file that a killed process has left.
func (s *heldStore) listen(ctx context.Context) error {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s.token = rand.Text()
	s.server = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute}
	s.serving.Go(func() { _ = s.server.Serve(ln) })
	file := adminFile(s.path)
	doc, err := json.Marshal(remoteStore{URL: "http://" + ln.Addr().String(), Token: s.token})
	if err == nil {
		err = os.Remove(file) // that of a process that was killed
	}
	if err == nil || errors.Is(err, os.ErrNotExist) {
		err = os.WriteFile(file, append(doc, '\n'), 0o600)
	}
	if err != nil {
		return errors.Join(err, s.stopListening())
	}
	return nil
}

// stopListening ends what listen began. The store must still be open: afterwards the file may be
// another process's, and would be removed from under it.
func (s *heldStore) stopListening() error {
	if s.server == nil {
		return nil
	}
	err := errors.Join(s.server.Close(), os.Remove(adminFile(s.path)))
	s.serving.Wait()
	s.server = nil
	return err
}

// ServeHTTP answers a request. Messages are written as they are read from the store, of which there
// may be a million.
func (s *heldStore) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// The ids of a million dead letters fit.
	const mostBody = 32 << 20
	if subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte("Bearer "+s.token)) != 1 {
		http.Error(w, "the token is missing or wrong", http.StatusUnauthorized)
		return
	}
	var asked queueRequest
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, mostBody)).Decode(&asked); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	out := json.NewEncoder(w)
	answer, err := askStore(r.Context(), s.Store, asked, func(m delivery.StoredMessage) bool {
		return out.Encode(queueAnswer{Message: &m}) == nil
	})
	if answer.Done = true; err != nil {
		answer.Error = err.Error()
	}
	_ = out.Encode(answer)
}
