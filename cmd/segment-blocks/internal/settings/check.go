package settings

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/aacflow/segment-blocks/internal/loopback"
	"github.com/aacflow/segment-blocks/internal/paths"
	"github.com/aacflow/segment-blocks/schemas"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

// onlyFound reports whether a file is read only because it is in the current folder. Somebody else
// may have put it there.
func onlyFound(path string, o Options) bool {
	if o.asked() != "" || path != FileName {
		return false
	}
	// The current folder may be the user's own configuration folder.
	return !slices.ContainsFunc(SearchPath()[1:], func(own string) bool { return paths.Same(path, own) })
}

// distrust finds what a file that was only found must not do: let others reach a server, or send to
// a host of its choice a secret that is not its own: a variable, another file, the key of an
// invocation, or the messages stored under the name of a source. It may send them to this machine.
func (l *loader) distrust() {
	refuse := func(format string, args ...any) {
		l.refuse(l.File, "%s, which a file found in the current folder must not do; "+
			"if it is yours, name it: --config %s or SEGMENT_BLOCKS_CONFIG", fmt.Sprintf(format, args...), l.File)
	}
	for _, name := range l.Names() {
		source := l.Sources[name]
		what := "the keys of invocations"
		switch {
		case source.WriteKeyEnv != "":
			what = "a key from the environment"
		case source.WriteKeyFile != "":
			what = "a key from another file"
		case source.WriteKey != "" && source.Way() == Durable:
			what = "stored events"
		case source.WriteKey != "":
			continue // all that it sends without an invocation is its own
		}
		if host := foreign(source.Endpoint); host != "" && name != Environment {
			refuse("makes the source %q send %s to %s", name, what, host)
		}
	}
	if host := foreign(l.CDN); host != "" && strings.HasPrefix(l.origins["cdn"], "file ") {
		refuse("makes doctor send write keys to %s, its cdn", host)
	}
	// What a flag or a variable has set is the user's own decision, so only what the file says
	// counts.
	for key, set := range map[string]bool{
		"allowHost": len(l.Serve.AllowHost) > 0, "allowOrigin": len(l.Serve.AllowOrigin) > 0,
		"tokenFile": l.Serve.TokenFile != "", "tlsClientCa": l.Serve.TLSClientCA != "",
	} {
		if set && strings.HasPrefix(l.origins["serve."+key], "file ") {
			refuse("makes serve open to others with serve.%s", key)
		}
	}
	if len(l.Serve.WorkflowEnv) > 0 && strings.HasPrefix(l.origins["serve.workflowEnv"], "file ") {
		refuse("lets workflows send environment variables with serve.workflowEnv")
	}
}

// foreign returns the host of a URL that is neither this machine nor Segment's own over https, else
// "".
func foreign(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" {
		return ""
	}
	host := strings.ToLower(u.Hostname())
	if loopback.Host(host) {
		return ""
	}
	// These are safe whoever wrote the file: Segment gets the data in any case. The second host is
	// the EU's on Segment's page about its HTTP API.
	own := []string{"https://cdn.segment.com", "https://eu1.api.segmentapis.com"}
	for _, region := range []tracking.Region{tracking.US, tracking.EU} {
		base, _ := tracking.Source{Region: region}.URL() // a region of Segment's has one
		own = append(own, base)
	}
	if slices.Contains(own, u.Scheme+"://"+strings.TrimSuffix(strings.ToLower(u.Host), ":443")) {
		return ""
	}
	return host
}

// unusedStores warns of a store, or of limits of one, that belongs to a source that is not durable.
// Its author expects events to survive an outage, and they would not.
func (s *Settings) unusedStores() {
	for _, name := range s.Names() {
		source := s.Sources[name]
		if source.Way() == Durable {
			continue
		}
		if name == Environment && source.Store != "" && s.DefaultSource == Environment {
			s.warn("SEGMENT_STORE is not used, because SEGMENT_DELIVERY is %s, not durable: %s",
				source.Way(), hidePath(source.Store))
		}
		for key := range s.origins {
			rest, ok := strings.CutPrefix(key, "sources."+name+".")
			if name != Environment && ok && (rest == "store" || strings.HasPrefix(rest, "durable.")) {
				s.warn("%s is not used, because the source's delivery is %s, not durable", key, source.Way())
			}
		}
	}
	slices.Sort(s.Warnings)
}

// unknownVariables warns of environment variables that look like ours and that nothing reads: with
// a misspelt SEGMENT_WRITE_KEY, every event would go to an emulator. It never shows a value.
func (s *Settings) unknownVariables() {
	known := []string{"SEGMENT_BLOCKS_CONFIG", "SEGMENT_BLOCKS_TOKEN", "SEGMENT_BLOCKS_URL"}
	for _, setting := range All() {
		known = append(known, setting.Env)
	}
	for _, source := range s.Sources { // a source may name any variable
		known = append(known, source.WriteKeyEnv)
	}
	foreign := func(name string) bool { return !strings.HasPrefix(name, "SEGMENT_") }
	ours := slices.DeleteFunc(slices.Clone(known), foreign)
	// Kubernetes sets these in each pod for a service called segment or segment-blocks.
	kubernetes := regexp.MustCompile(`_SERVICE_(HOST|PORT.*)$|_PORT(_\d+_.*)?$`)
	for _, pair := range slices.Sorted(slices.Values(s.options.Environ)) {
		name, value, _ := strings.Cut(pair, "=")
		if value == "" || slices.Contains(known, name) || kubernetes.MatchString(name) {
			continue
		}
		// A variable called REGION is somebody else's. In lower case it is no end of
		// SEGMENT_REGION.
		near := strings.ReplaceAll(schemas.DidYouMean(strings.ToLower(name), ours), `"`, "")
		const unread = "the environment variable %s is not one that segment-blocks reads"
		switch {
		case near != "":
			s.warn(unread+"%s", name, near)
		case strings.HasPrefix(name, "SEGMENT_"):
			s.warn(unread+"; segment-blocks help environment lists those", name)
		}
	}
}
