package cli

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aacflow/segment-blocks/internal/loopback"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

// network makes the requests of doctor. It posts nothing.
type network struct{ transport *http.Transport }

// answer is the answer to a request.
type answer struct {
	status int
	body   []byte
	date   time.Time
	took   time.Duration
}

// get makes one request. It follows no redirect, which could carry what is in the URL to another
// host. Its error does not show the URL, which may hold a write key.
func (n *network) get(ctx context.Context, method, address string) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, address, nil)
	if err != nil {
		return answer{}, bare(err)
	}
	started := time.Now()
	res, err := n.transport.RoundTrip(req)
	if err != nil {
		return answer{}, bare(err)
	}
	defer func() { _ = res.Body.Close() }()
	const most = 4 << 20 // the settings of a source with many destinations
	body, err := io.ReadAll(io.LimitReader(res.Body, most))
	if err != nil {
		return answer{}, bare(err)
	}
	date, _ := http.ParseTime(res.Header.Get("Date"))
	return answer{res.StatusCode, body, date, time.Since(started)}, nil
}

// bare returns the cause of a failed request, without the URL.
func bare(err error) error {
	if failed, ok := errors.AsType[*url.Error](err); ok {
		err = failed.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return errors.New("no answer in time")
	}
	return err
}

// settingsAnswer is what the published settings of a source say about its write key.
type settingsAnswer struct {
	known, unknown bool
	status         int
	apiHost        string
	err            error
}

// lookUp asks for the settings that Segment publishes for a write key, as Segment's own outbound
// destination does to check one.
func (n *network) lookUp(ctx context.Context, cdn string, source tracking.Source) settingsAnswer {
	key := string(source.WriteKey)
	got, err := n.get(ctx, http.MethodGet, strings.TrimRight(cdn, "/")+"/v1/projects/"+url.PathEscape(key)+"/settings")
	if err != nil {
		return settingsAnswer{err: errors.New(scrub(err.Error(), source))}
	}
	var doc struct {
		Integrations map[string]struct {
			APIHost string `json:"apiHost"`
		} `json:"integrations"`
	}
	found := settingsAnswer{status: got.status}
	switch got.status {
	case http.StatusOK:
		// Some integrations have settings of other types; the one in question decides.
		_ = json.Unmarshal(got.body, &doc)
		segment, ok := doc.Integrations["Segment.io"]
		found.known = ok
		found.apiHost = strings.TrimSuffix(strings.TrimRight(segment.APIHost, "/"), "/v1")
	case http.StatusNotFound:
		found.unknown = strings.Contains(
			strings.ToLower(string(got.body)), "write key",
		) || strings.Contains(cdn, "cdn.segment.com")
	}
	return found
}

// scrub removes the write key from a text, also in the form that it has in a URL.
func scrub(text string, source tracking.Source) string {
	for _, secret := range append(source.Secrets(), url.PathEscape(string(source.WriteKey))) {
		text = strings.ReplaceAll(text, secret, source.WriteKey.Fingerprint())
	}
	return text
}

// isLocal reports whether a URL leads to this machine.
func isLocal(address string) bool {
	u, err := url.Parse(address)
	return err == nil && loopback.Host(u.Hostname())
}
