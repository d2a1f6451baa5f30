package cli

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aacflow/segment-blocks/segment/tracking"
)

// network looks things up for doctor. It posts nothing.
type network struct{ transport *http.Transport }

// answer is what came back.
type answer struct {
	status int
	body   []byte
	date   time.Time
	took   time.Duration
}

// get makes one request, without following redirects: they could carry what is in the URL to a place nobody named. The error has no
// URL in it, since that may hold a write key.
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

func bare(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return errors.New("the time was up")
	}
	return err
}

// settingsAnswer is what the published settings of a source tell of its write key.
type settingsAnswer struct {
	known, unknown bool
	status         int
	apiHost        string
	err            error
}

// lookUp asks for the settings that Segment publishes for a write key, the way its own outbound destination checks one.
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
		found.unknown = strings.Contains(strings.ToLower(string(got.body)), "write key") || strings.Contains(cdn, "cdn.segment.com")
	}
	return found
}

// scrub takes the write key out of a text, in the form it has in a URL too.
func scrub(text string, source tracking.Source) string {
	secrets := append(source.Secrets(), url.PathEscape(string(source.WriteKey)))
	for _, secret := range secrets {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, source.WriteKey.Fingerprint())
		}
	}
	return text
}

// isLocal reports whether a URL leads to this machine.
func isLocal(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	host := u.Hostname()
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}
