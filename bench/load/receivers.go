package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// receivers are the servers that a source can send to, and the configuration file that names them.
type receivers struct {
	servers []*httptest.Server
	config  string
}

func newReceivers(folder string) (*receivers, error) {
	r := &receivers{config: filepath.Join(folder, "segment-blocks.yaml")}
	var b strings.Builder
	b.WriteString("defaultSource: fast\nsources:\n")
	add := func(name, url string) {
		fmt.Fprintf(&b, "  %s: {writeKeyEnv: LOAD_WRITE_KEY, endpoint: %q}\n", name, url)
	}
	for name, answer := range map[string]http.HandlerFunc{
		"fast": fast, "slow": slow, "silent": silent,
		"endless": endless,
	} {
		server := httptest.NewServer(answer)
		r.servers = append(r.servers, server)
		add(name, server.URL)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	add("down", "http://"+ln.Addr().String())
	if err := ln.Close(); err != nil {
		return nil, err
	}
	return r, os.WriteFile(r.config, []byte(b.String()), 0o600)
}

func (r *receivers) close() {
	for _, s := range r.servers {
		s.CloseClientConnections()
		s.Close()
	}
}

func fast(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	_, _ = io.WriteString(w, `{"success":true}`)
}

func slow(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	select {
	case <-time.After(500 * time.Millisecond):
		fast(w, r)
	case <-r.Context().Done():
	}
}

func silent(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}

func endless(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	text := []byte(`{"success":true,"x":"` + strings.Repeat("x", 32<<10))
	for r.Context().Err() == nil {
		if _, err := w.Write(text); err != nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}
