// Package customblock shows a block of one's own: the manifest board_post.yaml and this file are
// all of it.
//
//	reg := registry.New()
//	blocks.MustRegister(reg)      // the Segment blocks
//	customblock.MustRegister(reg) // and this one beside them
//	rt, err := runtime.New(reg,
//		runtime.Source("segment", tracking.Source{WriteKey: key, Region: tracking.EU}),
//		runtime.Source("board", customblock.Source{URL: "https://board.example.com", Token: token}))
//
// From there on it is invoked, listed, validated and served like the others.
package customblock

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/runtime/retry"
	"github.com/aacflow/segment-blocks/schemas"
)

//go:embed board_post.yaml
var files embed.FS

// Source is a notice board. Because post demands this type, the runtime never hands it a source of
// another vendor.
type Source struct {
	// URL is the base of the board; notes go to /notes below it.
	URL   string
	Token string
	// Retry bounds what is tried again, and for how long. The zero value is the default of package
	// retry.
	Retry retry.Policy
}

// Validate is asked by runtime.New. The URL is not repeated in full: what is wrong with it may be
// that it holds a password.
func (s Source) Validate() error {
	u, err := url.Parse(s.URL)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil || u.RawQuery != "" {
		return errors.New("the board's URL must be a scheme, a host and a path")
	}
	if s.Token == "" {
		return errors.New("the board needs a token")
	}
	return nil
}

// Secrets has the runtime keep the token out of errors, receipts and previews.
func (s Source) Secrets() []string { return []string{s.Token} }

// Register adds the block to a registry.
func Register(reg *registry.Registry) error {
	manifests, err := schemas.Load(files)
	if err != nil {
		return fmt.Errorf("register notice board: %w", err)
	}
	for _, m := range manifests {
		if err := reg.Register(runtime.Define(m, post)); err != nil {
			return fmt.Errorf("register notice board: %w", err)
		}
	}
	return nil
}

// MustRegister is Register for programs: it panics where Register returns an error.
func MustRegister(reg *registry.Registry) {
	if err := Register(reg); err != nil {
		panic(err)
	}
}

// post sends one note. call.Send retries what is worth it, keeps the receipt, and gives the error
// its code; the board knows a repeat by the Idempotency-Key.
func post(ctx context.Context, call *runtime.Call, board Source) (any, error) {
	id := noteID(board, call.InvocationID)
	call.Receipt.MessageIDs = []string{id}
	body := call.Input.JSON()
	_, err := call.Send(ctx, retry.Request{
		URL:        strings.TrimRight(board.URL, "/") + "/notes",
		Endpoint:   board.URL,
		Credential: board.Token,
		Header: http.Header{
			"Authorization":   {"Bearer " + board.Token},
			"Content-Type":    {"application/json"},
			"Idempotency-Key": {id},
		},
		Body:   func() ([]byte, error) { return body, nil },
		Policy: board.Retry,
	})
	if err != nil {
		return nil, err
	}
	call.Receipt.Accepted = 1
	return map[string]any{"posted": true, "title": call.Input.Text("title")}, nil
}

// noteID is the same for the same invocation, so the board can tell a repeat from a second note;
// another board gets another id.
func noteID(board Source, invocation string) string {
	sum := sha256.Sum256([]byte(board.URL + "\x00" + invocation))
	return "note-" + hex.EncodeToString(sum[:16])
}
