package tracking

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/aacflow/segment-blocks/runtime/retry"
)

// Region is where Segment keeps a workspace's data. Data sent to the wrong region is lost, mostly
// with a 200.
type Region string

// Segment's regions.
const (
	US Region = "us"
	EU Region = "eu"
)

const (
	usEndpoint = "https://api.segment.io"
	euEndpoint = "https://events.eu1.segmentapis.com"
)

// Source is a Segment source, or one of a receiver that speaks its API: a credential and an
// endpoint. It is a plain value, safe to copy and for concurrent use.
type Source struct {
	// WriteKey is the source's credential. Segment's have 32 letters and digits. A key of fewer
	// than 8 characters is refused, because it could not be redacted reliably.
	WriteKey WriteKey
	// Region picks Segment's own endpoint; empty is [US]. Leave it empty when Endpoint is given.
	Region Region
	// Endpoint is the base URL of another receiver (a proxy, a custom domain, an emulator), with or
	// without /v1 and a trailing slash. A path before /v1 is kept. It may not have a user, query or
	// fragment.
	Endpoint string
	// AllowInsecure permits plain http to another machine, which exposes the write key.
	AllowInsecure bool
	// Retry bounds retries. The zero value is the documented default.
	Retry retry.Policy
	// InFlight is how many requests of one batch may be in progress at once. Default 4.
	InFlight int
	// Gzip compresses bodies of 1 KiB and more, which costs CPU time and saves bytes on a slow or
	// metered network. Segment accepts it, as some of its own libraries send it, but does not
	// document it. Limits and reported sizes are those before compression.
	Gzip bool
	// AllowPlaceholderIDs accepts ids that are the text of a missing value, such as null or
	// undefined. By default they are refused, as placeholder_id, because all users with such an id
	// would count as one.
	AllowPlaceholderIDs bool
}

const defaultInFlight = 4

// URL returns the base URL for [Type.Path], without /v1 and a trailing slash. The error is an
// [*Error] with the code [InvalidSource].
func (s Source) URL() (string, error) {
	base, err := s.base()
	if err != nil {
		return "", &Error{Code: InvalidSource, Err: err}
	}
	return base, nil
}

// Validate checks the settings of s. The error is an [*Error] with the code [InvalidSource]. A
// source without a write key is valid, because the call may bring one.
func (s Source) Validate() error {
	_, err := s.settings()
	return err
}

// Secrets lists the texts to redact from logs and output: the write key, and its forms on the wire.
func (s Source) Secrets() []string { return s.WriteKey.secrets() }

// Describe returns, for lists of sources, the base URL, the region (empty with an Endpoint),
// [Direct], and the fingerprint of the write key.
func (s Source) Describe() (endpoint, region, delivery, fingerprint string) {
	endpoint, _ = s.base()
	if s.Endpoint == "" {
		region = cmp.Or(strings.ToLower(string(s.Region)), string(US))
	}
	return endpoint, region, Direct, s.WriteKey.Fingerprint()
}

// check checks the settings before sending.
func (s Source) check() (base string, err error) {
	if s.WriteKey == "" {
		return "", &Error{Code: MissingCredential, Err: errors.New("the source has no write key")}
	}
	return s.settings()
}

func (s Source) settings() (base string, err error) {
	base, err = s.base()
	if err = errors.Join(err, checkKey(s.WriteKey), s.checkNumbers()); err != nil {
		return "", &Error{Code: InvalidSource, Err: err}
	}
	return base, nil
}

// checkNumbers refuses negative durations and counts.
func (s Source) checkNumbers() error {
	switch {
	case s.Retry.BaseDelay < 0:
		return fmt.Errorf("the retry policy's base delay must not be negative: %s", s.Retry.BaseDelay)
	case s.Retry.MaxDelay < 0:
		return fmt.Errorf("the retry policy's longest delay must not be negative: %s", s.Retry.MaxDelay)
	case s.InFlight < 0:
		return fmt.Errorf("the in-flight limit must not be negative: %d", s.InFlight)
	}
	return nil
}

// checkKey catches mistakes of pasting a key. It does not check the form further, because other
// receivers have their own.
func checkKey(k WriteKey) error {
	if k != "" && len(k) < minKeyLength {
		return fmt.Errorf("the write key must have at least %d characters; check that all of it was pasted",
			minKeyLength)
	}
	for _, c := range []byte(k) {
		if c <= ' ' || c > '~' {
			return errors.New("the write key must be printable ASCII without white space; " +
				"check what was pasted around it")
		}
	}
	return nil
}

func (s Source) base() (string, error) {
	if s.Endpoint != "" {
		if s.Region != "" {
			return "", fmt.Errorf("the source must have a region or an endpoint, not both: region %q", string(s.Region))
		}
		base, err := parseEndpoint(s.Endpoint, s.AllowInsecure)
		if err == nil && s.WriteKey != "" && strings.Contains(base, string(s.WriteKey)) {
			return "", errors.New("the endpoint must not hold the write key: URLs end up in logs")
		}
		return base, err
	}
	switch Region(strings.ToLower(string(s.Region))) {
	case "", US:
		return usEndpoint, nil
	case EU:
		return euEndpoint, nil
	}
	return "", fmt.Errorf("the region must be us or eu: %q", string(s.Region))
}

// parseEndpoint removes the parts that people copy along with the base URL.
func parseEndpoint(endpoint string, allowInsecure bool) (string, error) {
	base, err := retry.BaseURL(endpoint, allowInsecure)
	if err != nil {
		return "", err
	}
	if i := strings.LastIndex(base, "/v1/"); i >= 0 && isCall(base[i+len("/v1/"):]) {
		return "", fmt.Errorf("the endpoint must end before the path of a call: %q", base[i:])
	}
	return strings.TrimRight(strings.TrimSuffix(base, "/v1"), "/"), nil
}

func isCall(name string) bool { return name == "batch" || Type(name).Valid() }
