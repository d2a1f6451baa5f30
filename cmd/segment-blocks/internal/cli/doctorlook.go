package cli

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-resty/resty/v2"

	"github.com/aacflow/segment-blocks/segment/tracking"
)

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
