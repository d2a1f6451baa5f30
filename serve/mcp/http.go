package mcp

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/modelcontextprotocol/go-sdk/jsonrpc"

	"github.com/aacflow/segment-blocks/rawjson"
	"github.com/aacflow/segment-blocks/schemas"
	"github.com/aacflow/segment-blocks/serve/guard"
)

const sessionHeader = "Mcp-Session-Id"

// longestSession bounds the session ids that are remembered while a call runs. The ids that this
// server hands out have 26 characters.
const longestSession = 128

// ServeHTTP answers below the mount point, see the comment of the package.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	where, err := s.address(r.URL)
	if err != nil {
		refuse(w, http.StatusNotFound, err.Error())
		return
	}
	at := s.endpoints[where]
	if r.Method != http.MethodPost {
		at.http.ServeHTTP(w, r)
		return
	}
	body, p := guard.ReadBody(w, r, s.cfg.MaxBytes)
	if p != nil {
		if p.RetryAfter > 0 {
			w.Header().Set("Retry-After", "1")
		}
		refuse(w, p.Status, p.Detail)
		return
	}
	message := read(body)
	if status, reason := message.fault(body); reason != "" {
		refuse(w, status, reason)
		return
	}
	if s.cfg.HostChecked || namesLoopback(r) {
		if call := at.plain(r.Header, message); call != nil {
			life, done := s.calls.begin(r, call.id)
			defer done()
			s.answer(life, w, call) //nolint:contextcheck // it outlives its client
			return
		}
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	switch {
	case message.Method == "initialize":
		w.Header().Set(sessionHeader, rand.Text())
	case message.Method == "tools/call" && len(message.ID) > 0:
		life, done := s.calls.begin(r, message.ID)
		defer done()
		r = r.WithContext(context.WithValue(r.Context(), lifeKey{}, life))
	case message.Method == "notifications/cancelled":
		s.calls.cancel(callID{r.Header.Get(sessionHeader), string(message.Params.RequestID)})
	}
	at.http.ServeHTTP(w, r)
}

// address returns what a URL names, or an error that says why it names nothing.
func (s *Server) address(u *url.URL) (address, error) {
	at := address{profile: s.cfg.DefaultProfile}
	rest, ok := strings.CutPrefix(u.EscapedPath(), s.cfg.Mount)
	if !ok || rest != "" && rest[0] != '/' {
		return at, errors.New("not found")
	}
	escaped, profile, _ := strings.Cut(strings.Trim(rest, "/"), "/")
	source, err := url.PathUnescape(escaped)
	if err != nil {
		return at, errors.New("not found")
	}
	if source != "" && source != defaultSource {
		if !slices.Contains(s.cfg.Sources, source) {
			meant := schemas.DidYouMean(source, s.cfg.Sources)
			return at, fmt.Errorf("there is no source of this name: %.100q%s", source, meant)
		}
		at.source = source
	}
	if profile = cmp.Or(profile, u.Query().Get("profile")); profile != "" {
		at.profile = Profile(profile)
		if !slices.Contains(Profiles(), at.profile) {
			return at, fmt.Errorf("the profile must be sim, agent or strict: %.100q", profile)
		}
	}
	return at, nil
}

// The bounds of what the SDK repeats in its answers, or decodes, in bytes.
const (
	longestName  = 256      // of a tool, and of the id of a request
	longestOther = 64 << 10 // of a message, beside the arguments of a tool
)

// message is what this package looks at before the SDK handles a message. Values stay bytes:
// decoded, the lists of a large body would take many times its memory.
type message struct {
	Version string         `json:"jsonrpc"`
	ID      jsontext.Value `json:"id"`
	Method  string         `json:"method"`
	Params  struct {
		Name      string         `json:"name"`
		Arguments jsontext.Value `json:"arguments"`
		Meta      jsontext.Value `json:"_meta"`
		RequestID jsontext.Value `json:"requestId"`
		Others    jsontext.Value `json:",embed"`
	} `json:"params"`
	Others jsontext.Value `json:",embed"`
	lax    bool           // only the SDK's rules let it pass
}

// read reads a message. It falls back to the SDK's rules: of several members with one name the last
// counts, and UTF-8 is not checked. A body that is no well-formed message is empty here, and the
// SDK reports what is wrong with it.
func read(body []byte) message {
	var m message
	if json.Unmarshal(body, &m) == nil {
		return m
	}
	m = message{}
	err := json.Unmarshal(body, &m, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if err != nil {
		m = message{}
	}
	m.lax = true
	return m
}

// fault returns the status and the reason if a message must not be handled.
func (m message) fault(body []byte) (int, string) {
	beside := len(body)
	if m.Method == "tools/call" {
		beside -= len(m.Params.Arguments)
	}
	switch {
	case bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("[")):
		return http.StatusBadRequest, "a request must be one message: MCP no longer has batches"
	case beside > longestOther:
		reason := fmt.Sprintf("a message must have at most %d bytes beside the arguments of a tool", longestOther)
		return http.StatusRequestEntityTooLarge, reason
	case len(body) > longestOther &&
		(len(m.Params.Others) > 0 || !slices.Contains([]jsontext.Kind{0, 'n', '{'}, m.Params.Meta.Kind())):
		// The SDK repeats all parameters when it cannot decode one of them.
		return http.StatusBadRequest, fmt.Sprintf("a call of more than %d bytes must have no parameters but name, "+
			"arguments and an object _meta", longestOther)
	case max(len(m.ID), len(m.Params.Name)) > longestName:
		return http.StatusBadRequest, fmt.Sprintf("an id and the name of a tool have at most %d bytes", longestName)
	}
	return 0, ""
}

// refuse sends the JSON-RPC error for a request whose id is not known.
func refuse(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"error":{"code":%d,"message":%s},"id":null,"jsonrpc":"2.0"}`,
		jsonrpc.CodeInvalidRequest, rawjson.Quote(message))
}
