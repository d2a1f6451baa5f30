package cli

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/aacflow/segment-blocks/segment/delivery"
)

// admin lets the queue commands of other processes look into a store, and change it, while this one
// has it open. It listens on this machine only, on a port of its own, and wants a token. Both are
// in a file beside the store, which only its owner can read.
type admin struct {
	file    string
	token   string
	store   *delivery.Store
	server  *http.Server
	stopped chan struct{}
}

// adminAddress is what the file says.
type adminAddress struct {
	URL   string `json:"url"`
	Token string `json:"token"`
}

func adminFile(store string) string { return store + ".admin" }

func startAdmin(ctx context.Context, path string, store *delivery.Store) (*admin, error) {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	a := &admin{file: adminFile(path), token: rand.Text(), store: store, stopped: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /stats", a.stats)
	mux.HandleFunc("GET /letters/{part}", a.letters)
	mux.HandleFunc("POST /retry", a.change(store.Retry))
	mux.HandleFunc("POST /drop", a.change(store.Drop))
	a.server = &http.Server{Handler: a.guard(mux), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute}
	go func() {
		defer close(a.stopped)
		_ = a.server.Serve(ln)
	}()
	if err := a.announce("http://" + ln.Addr().String()); err != nil {
		return nil, errors.Join(err, a.close())
	}
	return a, nil
}

// announce writes the file, in place of one that a process has left which was killed.
func (a *admin) announce(url string) error {
	doc, err := json.Marshal(adminAddress{url, a.token})
	if err != nil {
		return err
	}
	if err := os.Remove(a.file); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.WriteFile(a.file, append(doc, '\n'), 0o600)
}

// close ends it. The store must still be open: afterwards the file may be another process's.
func (a *admin) close() error {
	err := errors.Join(a.server.Close(), os.Remove(a.file))
	<-a.stopped
	return err
}

func (a *admin) guard(next http.Handler) http.Handler {
	const mostBody = 32 << 20
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte("Bearer "+a.token)) != 1 {
			http.Error(w, "the token is missing or wrong", http.StatusUnauthorized)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, mostBody)
		next.ServeHTTP(w, r)
	})
}

func (a *admin) stats(w http.ResponseWriter, _ *http.Request) {
	_ = json.NewEncoder(w).Encode(a.store.Stats())
}

// adminLine is a line of an answer that lists letters. The last one has neither a letter nor an
// error.
type adminLine struct {
	Letter *delivery.Letter `json:"letter,omitempty"`
	Error  string           `json:"error,omitempty"`
}

func (a *admin) letters(w http.ResponseWriter, r *http.Request) {
	visit, out := a.store.Dead, json.NewEncoder(w)
	if r.PathValue("part") == "waiting" {
		visit = a.store.Waiting
	}
	for l, err := range visit(r.URL.Query().Get("source")) {
		line := adminLine{Letter: &l}
		if err != nil {
			line = adminLine{Error: err.Error()}
		}
		if out.Encode(line) != nil || err != nil {
			return
		}
	}
	_ = out.Encode(adminLine{})
}

// adminChange asks for a change of dead letters, and adminChanged says what came of it.
type adminChange struct {
	Source string   `json:"source"`
	IDs    []uint64 `json:"ids"`
}

type adminChanged struct {
	Letters int    `json:"letters"`
	Error   string `json:"error,omitempty"`
}

func (a *admin) change(do func(string, ...uint64) (int, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var asked adminChange
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		n, err := do(asked.Source, asked.IDs...)
		done := adminChanged{Letters: n}
		if err != nil {
			done.Error = err.Error()
		}
		_ = json.NewEncoder(w).Encode(done)
	}
}
