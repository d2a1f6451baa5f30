package tracking

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/aacflow/segment-blocks/runtime/retry"
)

// Region is where Segment keeps a workspace's data. Data sent to the wrong one is lost, mostly
// behind a 200.
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

// Source is a Segment source, or one of a receiver that speaks its API: a credential and where
// events go. It is a plain value, safe to copy and to use from many goroutines at once.
type Source struct {
	// WriteKey is the source's credential. Segment's have 32 letters and digits. One of fewer than
	// 8 characters is refused, as it could not be kept out of texts.
	WriteKey WriteKey
	// Region picks Segment's own endpoint; empty is [US]. Leave it empty when Endpoint is given.
	Region Region
	// Endpoint is the base URL of another receiver (a proxy, a custom domain, an emulator), with or
	// without /v1 and a trailing slash. A path before /v1 is kept. It takes no user, query or
	// fragment.
	Endpoint string
	// AllowInsecure permits plain http to a host that is not this machine: the write key then
	// travels in the clear.
	AllowInsecure bool
	// Retry bounds what is tried again, and for how long. The zero value is the documented default.
	Retry retry.Policy
	// InFlight is how many requests of one batch may be under way at once. Default 4.
	InFlight int
	// Gzip compresses bodies of 1 KiB and more, which costs time here and saves it on a slow or
	// metered network. Segment takes it, as some of its own libraries send it, but does not
	// document it. Limits and reported sizes are those before compression.
	Gzip bool
	// AllowPlaceholderIDs sends messages whose ids are the text that a missing value turns into,
	// such as null or undefined. Otherwise they are refused, as placeholder_id: all who share such
	// an id would count as one.
	AllowPlaceholderIDs bool
}

const defaultInFlight = 4

// URL returns the base below which the paths of [Type.Path] stand, without /v1 and without a
// trailing slash. The error is an [*Error] with the code [InvalidSource].
func (s Source) URL() (string, error) {
	base, err := s.base()
	if err != nil {
		return "", &Error{Code: InvalidSource, Err: err}
	}
	return base, nil
}

// Validate reports, as an [*Error] with the code [InvalidSource], what is wrong with the settings
// of s. A source without a write key is valid: the call may bring one.
func (s Source) Validate() error {
	_, err := s.settings()
	return err
}

// Secrets lists every text that must be removed from what is logged or shown: the write key, and
// the forms it takes on the wire.
func (s Source) Secrets() []string { return s.WriteKey.secrets() }

// Describe says in plain words where the source sends, for lists of sources: the base URL, the
// region (empty with an endpoint of its own), [Direct], and the fingerprint of its write key.
func (s Source) Describe() (endpoint, region, delivery, fingerprint string) {
	endpoint, _ = s.base()
	if s.Endpoint == "" {
		region = cmp.Or(strings.ToLower(string(s.Region)), string(US))
	}
	return endpoint, region, Direct, s.WriteKey.Fingerprint()
}

// check is settings for a source that sends.
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

// checkNumbers refuses negative durations and counts, which have no meaning here.
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

// checkKey catches what pasting does to a key. Its form is not checked further: receivers other
// than Segment have their own.
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

// parseEndpoint takes off what people copy along with the base URL.
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
