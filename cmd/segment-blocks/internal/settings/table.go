package settings

import (
	"errors"
	"fmt"
	"math"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Environment is the name of the source that environment variables describe. A file cannot define one of this name.
const Environment = "environment"

// Kind is what a setting's value must be.
type Kind string

// The kinds of values.
const (
	Text     Kind = "string"
	Path     Kind = "file" // in a configuration file it is relative to that file
	List     Kind = "strings"
	Number   Kind = "int"
	Decimal  Kind = "float"
	Duration Kind = "duration"
	Bool     Kind = "bool"
	URL      Kind = "url"
	Format   Kind = "format"
	Log      Kind = "log"
	Region   Kind = "region"
	Delivery Kind = "delivery"
	Secret   Kind = "secret"   // its value is never shown
	Variable Kind = "variable" // the name of an environment variable
)

// Setting is one thing that can be configured. The table of them is what files are checked against, what variables and flags are
// read by, and what the help says.
type Setting struct {
	// Key is its place in a file, such as retry.maxRetries. NAME stands for the name of a source.
	Key string
	// Env and Flag are the variable and the flag that set it, "" for none.
	Env, Flag string
	Kind      Kind
	// Default is its value where nothing sets it, nil where Says tells what that comes to.
	Default any
	Says    string
}

// Table returns the settings, sources aside, in the order in which they are shown.
func Table() []Setting {
	return []Setting{
		{"defaultSource", "SEGMENT_BLOCKS_SOURCE", "source", Text, "", "name of the source to send to"},
		{"output", "SEGMENT_BLOCKS_OUTPUT", "output", Format, "auto", "format of what is printed: auto, text, json or yaml"},
		{"timeout", "SEGMENT_BLOCKS_TIMEOUT", "timeout", Duration, "0s", "longest time for a command, retries included; 0 for no limit of its own"},
		{"cdn", "SEGMENT_BLOCKS_CDN", "", URL, "https://cdn.segment.com", "where doctor looks up the write key of a source at Segment"},
		{"retry.maxRetries", "SEGMENT_BLOCKS_MAX_RETRIES", "", Number, 10, "how many tries may follow the first; 0 for none"},
		{"retry.budget", "SEGMENT_BLOCKS_RETRY_BUDGET", "", Duration, "2m", "how long to keep trying after the first failure; 0 for not at all"},
		{"retry.rateLimitBudget", "SEGMENT_BLOCKS_RATE_LIMIT_BUDGET", "", Duration, "2m", "how long to wait for a rate limit to clear; 0 for not at all"},
		{"retry.baseDelay", "", "", Duration, "500ms", "longest wait before the first retry; each further one doubles it"},
		{"retry.maxDelay", "", "", Duration, "60s", "longest wait before any retry"},
		{"retry.attemptTimeout", "", "", Duration, "15s", "longest time for one try"},
		{"serve.addr", "", "addr", Text, "127.0.0.1:8787", "address to listen on; port 0 takes a free one"},
		{"serve.emulator", "", "emulator", Bool, false, "send to an emulator inside this process, whatever is configured: no event is real"},
		{"serve.tokenFile", "", "token-file", Path, "", "file with the token that clients must send"},
		{"serve.allowHost", "", "allow-host", List, nil, "further host names that it may be asked under"},
		{"serve.allowOrigin", "", "allow-origin", List, nil, "origins of web pages that may send requests, such as https://app.example.com"},
		{"serve.log", "", "log", Log, "text", "how requests and failures are logged on stderr: text or json"},
		{"serve.quiet", "", "quiet", Bool, false, "log no requests; what goes wrong is logged all the same"},
		{"serve.drainDelay", "", "drain-delay", Duration, nil, "after SIGTERM, how long /readyz answers 503 before the server stops listening, so that load balancers notice (default 5s; on a loopback address 0s)"},
		{"serve.drain", "", "drain", Duration, "30s", "how long requests in progress may take once the server has stopped listening"},
		{"serve.clientRate", "", "client-rate", Decimal, 500.0, "how many requests a second one client may make, twice as many at once; 0 for no limit"},
		{"serve.maxInFlight", "", "max-in-flight", Number, 1024, "how many requests are worked on at once; 503 beyond, but for GET; 0 for no limit"},
		{"serve.maxBuffered", "", "max-buffered", Number, 32, "how many MiB of request bodies are held at once, at least one of the largest; 503 beyond; 0 for no limit"},
		{"serve.maxConnections", "", "max-connections", Number, 2048, "how many connections are served at once; 0 for no limit"},
		{"serve.mcpInvocationId", "", "mcp-invocation-id", Bool, false, "give each MCP tool the input invocationId, for clients that cannot set _meta, such as the MCP block of AACFlow and Sim; not for models"},
		{"serve.tlsCert", "", "tls-cert", Path, "", "file with the certificate to serve https with, and those between it and its root"},
		{"serve.tlsKey", "", "tls-key", Path, "", "file with the key of --tls-cert"},
		{"serve.tlsClientCa", "", "tls-client-ca", Path, "", "file with the certificates that those of clients must be signed by; then none is let in without one"},
	}
}

// SourceTable returns the settings of each source. The variables are those of the source called [Environment].
func SourceTable() []Setting {
	list := []Setting{
		{"sources.NAME.writeKey", "SEGMENT_WRITE_KEY", "", Secret, "", "the write key itself; keep such a file to yourself (chmod 600)"},
		{"sources.NAME.writeKeyEnv", "", "", Variable, "", "the environment variable that holds the write key"},
		{"sources.NAME.writeKeyFile", "", "", Text, "", "the file that holds the write key, such as a mounted secret"},
		{"sources.NAME.region", "SEGMENT_REGION", "", Region, "", "us or eu: where Segment keeps the workspace's data; us is assumed, with a warning, where nothing is said"},
		{"sources.NAME.endpoint", "SEGMENT_ENDPOINT", "", URL, "", "base URL of another receiver, in place of a region"},
		{"sources.NAME.allowInsecure", "SEGMENT_ALLOW_INSECURE", "", Bool, false, "allow plain http to a host that is not this machine"},
		{"sources.NAME.gzip", "SEGMENT_GZIP", "", Bool, false, "compress requests of 1 KiB and more, for a slow or metered network"},
		{"sources.NAME.delivery", "SEGMENT_DELIVERY", "", Delivery, "", "how events leave: direct (assumed), coalesced (in shared requests) or durable (by way of the disk)"},
		{"sources.NAME.store", "SEGMENT_STORE", "", Path, "", "the file of a durable source; by default NAME.store in ~/.local/state/segment-blocks"},
		{"sources.NAME.durable.rate", "", "", Decimal, nil, "how many stored events are sent a second (1000); 0 for no limit"},
		{"sources.NAME.durable.maxEvents", "", "", Number, nil, "how many events are kept; calls beyond are refused (1000000); 0 for no limit"},
		{"sources.NAME.durable.maxBytes", "", "", Number, nil, "how many bytes of events are kept (1073741824); 0 for no limit"},
		{"sources.NAME.durable.maxAge", "", "", Duration, nil, "how long to try to deliver an event, which then becomes a dead letter (168h); 0 for ever"},
	}
	for _, s := range Table() {
		if strings.HasPrefix(s.Key, "retry.") {
			list = append(list, Setting{"sources.NAME." + s.Key, "", "", s.Kind, nil, s.Says})
		}
	}
	return list
}

// keyOf returns the place in the settings that an environment variable stands for.
func keyOf(variable string) (Setting, bool) {
	for _, s := range append(Table(), SourceTable()...) {
		if s.Env == variable && variable != "" {
			s.Key = strings.Replace(s.Key, "NAME", Environment, 1)
			return s, true
		}
	}
	return Setting{}, false
}

// read checks a value that came as text and returns it in the setting's type. The errors never repeat a value that may be secret.
func (s Setting) read(text string) (any, error) {
	switch s.Kind {
	case Number:
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return nil, fmt.Errorf("must be a whole number, 0 or more: %q", text)
		}
		return n, nil
	case Duration:
		d, err := time.ParseDuration(text)
		if err != nil || d < 0 {
			return nil, fmt.Errorf("must be a duration such as 30s or 2m: %q", text)
		}
		return text, nil
	case Decimal:
		n, err := strconv.ParseFloat(text, 64)
		if err != nil || !(n >= 0) || math.IsInf(n, 0) {
			return nil, fmt.Errorf("must be a number, 0 or more: %q", text)
		}
		return n, nil
	case Bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return nil, fmt.Errorf("must be true or false: %q", text)
		}
		return b, nil
	case Format:
		return oneOf(text, "auto", "text", "json", "yaml")
	case List:
		return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' }), nil
	case Log:
		return oneOf(text, "text", "json")
	case Region:
		return oneOf(strings.ToLower(text), "us", "eu")
	case Delivery:
		return oneOf(text, Direct, Coalesced, Durable)
	case Variable:
		// It may be the key itself.
		if !regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`).MatchString(text) {
			return nil, errors.New("must be the name of the environment variable that holds the key: letters, digits and _")
		}
	case URL:
		// What is wrong with a URL may be that it holds a password, so it is not repeated.
		if u, err := url.Parse(text); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return nil, fmt.Errorf("must be a URL that begins with https:// and a host")
		}
	}
	return text, nil
}

func oneOf(text string, allowed ...string) (any, error) {
	if slices.Contains(allowed, text) {
		return text, nil
	}
	last := len(allowed) - 1
	return nil, fmt.Errorf("must be %s or %s: %q", strings.Join(allowed[:last], ", "), allowed[last], text)
}
