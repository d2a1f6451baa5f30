package mcp

import (
	"bytes"
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

	"github.com/aacflow/segment-blocks/schemas"
	"github.com/aacflow/segment-blocks/serve/guard"
)

const sessionHeader = "Mcp-Session-Id"

// longestSession bounds the session ids that are remembered while a call runs; those handed out have 26 characters.
const longestSession = 128

// ServeHTTP answers below the mount point. See the package's comment.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	at, status, err := s.place(r.URL)
	if err != nil {
		refuse(w, status, err.Error())
		return
	}
	handler := s.endpoints[at].http
	if r.Method != http.MethodPost {
		handler.ServeHTTP(w, r)
		return
	}
	body, err := guard.ReadBody(w, r, s.settings.maxBytes)
	if err != nil {
		refuseBody(w, err)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))

	message := peek(body)
	if status, reason := message.fault(body); reason != "" {
		refuse(w, status, reason)
		return
	}
	session := r.Header.Get(sessionHeader)
	switch {
	case message.Method == "initialize":
		w.Header().Set(sessionHeader, rand.Text())
	case session == "" || len(session) > longestSession:
	case message.Method == "tools/call" && len(message.ID) > 0:
		life, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
		defer cancel()
		defer s.calls.begin(callID{session, string(message.ID)}, cancel)()
		r = r.WithContext(context.WithValue(r.Context(), lifeKey{}, life))
	case message.Method == "notifications/cancelled":
		s.calls.cancel(callID{session, string(message.Params.RequestID)})
	}
	handler.ServeHTTP(w, r)
}

// place returns what a URL names, or the status and the reason why it names nothing.
func (s *Server) place(u *url.URL) (place, int, error) {
	at := place{profile: s.settings.profile}
	rest, ok := strings.CutPrefix(u.EscapedPath(), s.settings.mount)
	if !ok || rest != "" && rest[0] != '/' {
		return at, http.StatusNotFound, errors.New("nothing is here")
	}
	profile := u.Query().Get("profile")
	if rest = strings.Trim(rest, "/"); rest != "" {
		source, named, isNamed := strings.Cut(rest, "/")
		if isNamed {
			profile = named
		}
		source, err := url.PathUnescape(source)
		if err != nil {
			return at, http.StatusNotFound, errors.New("nothing is here")
		}
		if source != defaultSource {
			if !slices.Contains(s.settings.sources, source) {
				return at, http.StatusNotFound, fmt.Errorf("there is no source of this name: %.100q%s", source, schemas.DidYouMean(source, s.settings.sources))
			}
			at.source = source
		}
	}
	if profile != "" {
		at.profile = Profile(profile)
		if !slices.Contains(Profiles(), at.profile) {
			return at, http.StatusNotFound, fmt.Errorf("there is no profile of this name: %.100q", profile)
		}
	}
	return at, 0, nil
}

// The bounds of what the SDK repeats in its answers.
const (
	longestName  = 256      // of a tool, and of the id of a request, in bytes
	longestOther = 64 << 10 // of a message that calls no tool
)

// head is what must be known of a message before it is handled.
type head struct {
	Method string         `json:"method"`
	ID     jsontext.Value `json:"id"`
	Params struct {
		Name      string         `json:"name"`
		RequestID jsontext.Value `json:"requestId"`
	} `json:"params"`
}

// peek reads the head of a message as the SDK does: names count as they are written, and the last of
// several. What is not a single well-formed message has none; the SDK says what is wrong with it.
func peek(body []byte) head {
	var h head
	if err := json.Unmarshal(body, &h, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)); err != nil {
		return head{}
	}
	return h
}

// fault returns the status and the reason where a message must not be handled.
func (h head) fault(body []byte) (int, string) {
	switch {
	case bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("[")):
		return http.StatusBadRequest, "a request must be one message: batches have gone from the protocol"
	case h.Method != "tools/call" && len(body) > longestOther:
		return http.StatusRequestEntityTooLarge, fmt.Sprintf("a message that calls no tool must have %d bytes at most", longestOther)
	case len(h.ID) > longestName:
		return http.StatusBadRequest, fmt.Sprintf("the id of a request must have %d bytes at most", longestName)
	case len(h.Params.Name) > longestName:
		return http.StatusBadRequest, fmt.Sprintf("there is no tool whose name has more than %d bytes", longestName)
	}
	return 0, ""
}

// refuseBody answers to a body that could not be read.
func refuseBody(w http.ResponseWriter, err error) {
	var over *http.MaxBytesError
	var full *guard.Problem
	switch {
	case errors.As(err, &over):
		refuse(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("a message must have %d bytes at most", over.Limit))
	case errors.As(err, &full):
		w.Header().Set("Retry-After", "1")
		refuse(w, full.Status, full.Detail)
	default:
		refuse(w, http.StatusBadRequest, "the message could not be read")
	}
}

// refuse answers as JSON-RPC does to a request whose id is not known.
func refuse(w http.ResponseWriter, status int, message string) {
	const invalidRequest = -32600
	answer, err := json.Marshal(map[string]any{
		"jsonrpc": "2.0", "id": nil, "error": map[string]any{"code": invalidRequest, "message": message},
	}, json.Deterministic(true))
	if err != nil {
		answer = []byte("{}") // texts and a number always marshal
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(answer)
}
