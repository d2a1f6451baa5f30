package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"os"

	"github.com/aacflow/segment-blocks/segment/delivery"
)

// letterStore is what the queue commands look into: a store that this process has opened, one that
// another has, or what is left of a damaged one.
type letterStore interface {
	Stats() []delivery.Stats
	Waiting(source string) iter.Seq2[delivery.Letter, error]
	Dead(source string) iter.Seq2[delivery.Letter, error]
	Retry(source string, ids ...uint64) (int, error)
	Drop(source string, ids ...uint64) (int, error)
	Close(ctx context.Context) (left int, err error)
}

// remoteStore is the store of a process that is running: see admin.
type remoteStore struct {
	ctx    context.Context //nolint:containedctx // that of the command
	client *http.Client
	adminAddress
	stats []delivery.Stats
}

// dialStore returns the store of the process that has it open, nil where none answers.
func dialStore(ctx context.Context, path string) *remoteStore {
	doc, err := os.ReadFile(adminFile(path))
	if err != nil {
		return nil
	}
	s := &remoteStore{ctx: ctx, client: &http.Client{Transport: &http.Transport{}}}
	if json.Unmarshal(doc, &s.adminAddress) != nil {
		return nil
	}
	read := func(body io.Reader) error { return json.NewDecoder(body).Decode(&s.stats) }
	if s.ask(http.MethodGet, "/stats", nil, read) != nil {
		s.client.CloseIdleConnections()
		return nil // it is gone
	}
	return s
}

func (s *remoteStore) ask(method, path string, body []byte, read func(io.Reader) error) error {
	req, err := http.NewRequestWithContext(s.ctx, method, s.URL+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+s.Token)
	res, err := s.client.Do(req)
	if err != nil {
		return fmt.Errorf("ask the running segment-blocks: %w", bare(err))
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("the running segment-blocks answered %d", res.StatusCode)
	}
	if err := read(res.Body); err != nil {
		return fmt.Errorf("the running segment-blocks: %w", err)
	}
	return nil
}

func (s *remoteStore) Stats() []delivery.Stats { return s.stats }

func (s *remoteStore) Waiting(source string) iter.Seq2[delivery.Letter, error] {
	return s.letters("waiting", source)
}

func (s *remoteStore) Dead(source string) iter.Seq2[delivery.Letter, error] {
	return s.letters("dead", source)
}

func (s *remoteStore) letters(part, source string) iter.Seq2[delivery.Letter, error] {
	return func(yield func(delivery.Letter, error) bool) {
		enough := errors.New("enough")
		err := s.ask(http.MethodGet, "/letters/"+part+"?source="+url.QueryEscape(source), nil, func(body io.Reader) error {
			for in := json.NewDecoder(body); ; {
				var line adminLine
				switch err := in.Decode(&line); {
				case err != nil:
					return err
				case line.Error != "":
					return errors.New(line.Error)
				case line.Letter == nil:
					return nil
				case !yield(*line.Letter, nil):
					return enough
				}
			}
		})
		if err != nil && !errors.Is(err, enough) {
			yield(delivery.Letter{}, err)
		}
	}
}

func (s *remoteStore) Retry(source string, ids ...uint64) (int, error) {
	return s.change("/retry", source, ids)
}

func (s *remoteStore) Drop(source string, ids ...uint64) (int, error) {
	return s.change("/drop", source, ids)
}

func (s *remoteStore) change(path, source string, ids []uint64) (int, error) {
	body, err := json.Marshal(adminChange{source, ids})
	if err != nil {
		return 0, err
	}
	var done adminChanged
	err = s.ask(http.MethodPost, path, body, func(body io.Reader) error { return json.NewDecoder(body).Decode(&done) })
	if err == nil && done.Error != "" {
		err = errors.New(done.Error)
	}
	return done.Letters, err
}

func (s *remoteStore) Close(context.Context) (int, error) {
	s.client.CloseIdleConnections()
	return 0, nil
}

// salvagedStore is what can be read of a damaged store. Closing it says what is wrong.
type salvagedStore struct {
	path   string
	stats  []delivery.Stats
	damage error
}

func (s *salvagedStore) Stats() []delivery.Stats { return s.stats }

func (s *salvagedStore) Waiting(source string) iter.Seq2[delivery.Letter, error] {
	return s.letters(source, false)
}

func (s *salvagedStore) Dead(source string) iter.Seq2[delivery.Letter, error] {
	return s.letters(source, true)
}

func (s *salvagedStore) letters(source string, dead bool) iter.Seq2[delivery.Letter, error] {
	return func(yield func(delivery.Letter, error) bool) {
		for l, err := range delivery.Salvage(s.path) {
			if err == nil && l.Source == source && l.DiedAt.IsZero() != dead && !yield(l, nil) {
				return
			}
		}
	}
}

func (s *salvagedStore) Retry(string, ...uint64) (int, error) {
	return 0, errors.New("nothing can be changed in a damaged store")
}

func (s *salvagedStore) Drop(string, ...uint64) (int, error) { return s.Retry("") }

func (s *salvagedStore) Close(context.Context) (int, error) { return 0, s.damage }
