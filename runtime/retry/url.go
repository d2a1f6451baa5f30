package retry

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/aacflow/segment-blocks/internal/loopback"
)

// BaseURL checks the URL below which a source sends, and returns it without a trailing slash. The
// scheme must be https. It may be http if the host is this machine, or if insecure is true. The
// error never has the whole URL, which may hold a password.
func BaseURL(endpoint string, insecure bool) (string, error) {
	u, err := url.Parse(endpoint)
	switch {
	case err != nil:
		var parse *url.Error
		if errors.As(err, &parse) {
			err = parse.Err
		}
		return "", fmt.Errorf("the endpoint must be a URL: %w", err)
	case u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "":
		return "", errors.New("the endpoint must begin with https:// and a host")
	case u.User != nil:
		return "", errors.New("the endpoint must not hold a user or password; the credential has a field of its own")
	case u.RawQuery != "" || u.ForceQuery || strings.Contains(endpoint, "#"):
		return "", errors.New("the endpoint must not have a query or fragment")
	case u.Scheme == "http" && !insecure && !loopback.Host(u.Hostname()):
		return "", fmt.Errorf("the endpoint must use https: %q", u.Host)
	}
	return u.Scheme + "://" + u.Host + strings.TrimRight(u.EscapedPath(), "/"), nil
}
