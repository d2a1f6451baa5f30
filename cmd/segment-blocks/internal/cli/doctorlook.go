package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-resty/resty/v2"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console"
	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/settings"
	"github.com/aacflow/segment-blocks/internal/loopback"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/segment/delivery"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

// network makes the requests of doctor, and reads the answers. It posts nothing, and follows no
// redirect, which could carry what is in the URL to another host. An answer may be as long as a
// catalog of hundreds of blocks.
func network() *resty.Client {
	// A redirect is an answer like any other: it shows that the receiver is there.
	stay := resty.RedirectPolicyFunc(func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse })
	return resty.New().SetTransport(runtime.NewTransport()).SetTimeout(checkTimeout).SetRedirectPolicy(stay).
		SetResponseBodyLimit(32 << 20).SetDisableWarn(true)
}

// bare returns the cause of a failed request, without the URL, which may hold a write key.
func bare(err error) error {
	if failed, ok := errors.AsType[*url.Error](err); ok {
		err = failed.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return errors.New("no answer in time")
	}
	return err
}

// publishedSettings are what Segment publishes of a source, by its write key, for the library that
// runs in browsers. A source of which it publishes nothing may still be a good one.
type publishedSettings struct {
	status  int
	known   bool   // the key is that of a source
	unknown bool   // the answer says that it is not
	apiHost string // where the source's browsers send
}

// lookUp asks for the settings that Segment publishes for a write key, as Segment's own outbound
// destination does to check one.
func lookUp(ctx context.Context, client *resty.Client, cdn string, source tracking.Source) (publishedSettings, error) {
	// The key is in the path, as in every page with Segment's snippet: there it is public.
	key := url.PathEscape(string(source.WriteKey))
	a, err := client.R().SetContext(ctx).Get(strings.TrimRight(cdn, "/") + "/v1/projects/" + key + "/settings")
	if err != nil {
		return publishedSettings{}, errors.New(scrub(bare(err).Error(), source))
	}
	var doc struct {
		Integrations map[string]struct {
			APIHost string `json:"apiHost"`
		} `json:"integrations"`
	}
	found := publishedSettings{status: a.StatusCode()}
	switch found.status {
	case http.StatusOK:
		// Some integrations have settings of other types; the one in question decides.
		_ = json.Unmarshal(a.Body(), &doc)
		segment, ok := doc.Integrations["Segment.io"]
		found.known = ok
		found.apiHost = strings.TrimSuffix(strings.TrimRight(segment.APIHost, "/"), "/v1")
	case http.StatusNotFound:
		// A proxy answers 404 to any path that it does not know, and then the key may be right.
		says := strings.ToLower(string(a.Body()))
		found.unknown = strings.Contains(says, "write key") || strings.Contains(cdn, "cdn.segment.com")
	}
	return found, nil
}

// scrub removes the write key from a text, also in the form that it has in a URL. Errors of the
// network may quote the address, and the report of doctor is what people paste into a ticket.
func scrub(text string, source tracking.Source) string {
	for _, secret := range append(source.Secrets(), url.PathEscape(string(source.WriteKey))) {
		text = strings.ReplaceAll(text, secret, source.WriteKey.Fingerprint())
	}
	return text
}

// isLocal reports whether a URL leads to this machine, where a key may be shown and http is safe.
func isLocal(address string) bool {
	u, err := url.Parse(address)
	return err == nil && loopback.Host(u.Hostname())
}

// stores checks the store of each durable source. Several may share one, which is looked at once.
func (e *examination) stores(ctx context.Context, s *settings.Settings) {
	own, err := ownStores(s)
	if err != nil {
		e.fail("store", console.ExitUsage, "%s", err)
	}
	for _, store := range own {
		e.store(ctx, s, store.source, store.path)
	}
}

// store checks one store, without making it: doctor leaves nothing behind. Each source in the file
// gets a line.
func (e *examination) store(ctx context.Context, s *settings.Settings, name, path string) {
	const line = "store" // of all checks of stores: the message says which
	var list []queueState
	q, err := openPath(ctx, name, path)
	if err == nil {
		list, err = q.states(s)
	}
	if errors.Is(err, delivery.ErrInUse) {
		e.say(verdictOK, line, "of %q is in use by a running segment-blocks: %s", name, path)
		return
	}
	if err == nil && !q.exists && !q.empty {
		err = canMake(path)
	}
	if err != nil {
		e.fail(line, console.ExitFailure, "of %q: %s", name, console.Sentence(err))
		return
	}
	for _, one := range list {
		// Nothing has failed yet, but somebody expects these messages to arrive.
		verdict := verdictOK
		if one.empty || one.Dead > 0 || !one.Configured {
			verdict = verdictWarning
		}
		e.say(verdict, line, "of %q: %s", one.Source, strings.Join(one.row()[1:], ", "))
	}
}

// canMake tries whether a file can be made, in the nearest folder that is there: those below it are
// made with the store. Only trying tells: modes say little about mounts, quotas and other users'
// folders.
func canMake(path string) error {
	dir := filepath.Dir(path)
	for {
		_, err := os.Stat(dir)
		if err == nil || dir == filepath.Dir(dir) {
			break
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		dir = filepath.Dir(dir)
	}
	f, err := os.CreateTemp(dir, ".segment-blocks-*") // gone again below
	if err != nil {
		return fmt.Errorf("it is not there and cannot be made: %w", err)
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}
