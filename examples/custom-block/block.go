// Package customblock shows a block of one's own: the manifest board_post.yaml and this file are all of it.
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
	"github.com/aacflow/segment-blocks/schemas"
)

//go:embed board_post.yaml
var files embed.FS

// Source is a notice board. Because post demands this type, the runtime never hands it a source of another vendor.
type Source struct {
	// URL is the base of the board; notes go to /notes below it.
	URL   string
	Token string
}

// Validate is asked by runtime.New. The URL is not repeated in full: what is wrong with it may be that it holds a password.
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

// post sends one note, once. Whether to try again is left to the host, which the error tells whether that can help.
func post(ctx context.Context, call *runtime.Call, board Source) (any, error) {
	id := noteID(board, call.InvocationID)
	receipt := call.Receipt
	receipt.Endpoint, receipt.MessageIDs, receipt.Requests = board.URL, []string{id}, 1

	body := call.Input.JSON()
	receipt.Bytes = int64(len(body))
	res, err := call.HTTP.R().SetContext(ctx).
		SetHeader("Authorization", "Bearer "+board.Token).
		SetHeader("Content-Type", "application/json").
		SetHeader("Idempotency-Key", id).
		SetBody([]byte(body)).
		Post(strings.TrimRight(board.URL, "/") + "/notes")
	receipt.Attempts = 1
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err() // the runtime tells a cancellation from a deadline
	case err != nil:
		return nil, &runtime.Error{Code: runtime.Unavailable, Message: "failed: the board did not answer", Retryable: true, Err: err}
	case !res.IsSuccess():
		return nil, refusal(res.StatusCode())
	}
	receipt.Accepted = 1
	return map[string]any{"posted": true, "title": call.Input.Text("title")}, nil
}

// refusal says what a status means. The text of the answer is left out: it may repeat the note.
func refusal(status int) *runtime.Error {
	e := &runtime.Error{
		Code: runtime.Rejected, Status: status,
		Message: fmt.Sprintf("failed: the board answered %d %s", status, http.StatusText(status)),
	}
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		e.Code = runtime.Unauthorized
	case status == http.StatusTooManyRequests:
		e.Code, e.Retryable = runtime.RateLimited, true
	case status >= http.StatusInternalServerError:
		e.Code, e.Retryable = runtime.Unavailable, true
	}
	return e
}

// noteID is the same for the same invocation, so the board can tell a repeat from a second note; another board gets another id.
func noteID(board Source, invocation string) string {
	sum := sha256.Sum256([]byte(board.URL + "\x00" + invocation))
	return "note-" + hex.EncodeToString(sum[:16])
}
