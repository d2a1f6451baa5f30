// Package sources gives other programs the sources that segment-blocks is configured with: by
// segment-blocks.yaml, and by variables such as SEGMENT_WRITE_KEY.
package sources

import (
	"fmt"
	"slices"
	"strings"

	"github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/settings"
	"github.com/aacflow/segment-blocks/schemas"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

// Source is a source with its write key.
type Source struct {
	Name string
	tracking.Source
}

// Load returns the sources with these names or, if there are none, all that are configured, the
// default one first. File is the configuration file, "" for the one that segment-blocks would find;
// environ holds the environment variables, as os.Environ returns them. Warnings are sentences about
// what is allowed but unwise. The error names a source that is not known or has no write key.
//
// How a source delivers is not looked at: it is for a host that repeats what fails, and needs no
// second store.
func Load(file string, environ, names []string) (found []Source, warnings []string, err error) {
	s, err := settings.Load(settings.Options{File: file, Environ: environ})
	if err != nil {
		return nil, nil, err
	}
	known := s.Names()
	if len(names) == 0 {
		names = known
		if i := slices.Index(names, s.DefaultSource); i > 0 {
			names = slices.Insert(slices.Delete(slices.Clone(names), i, i+1), 0, s.DefaultSource)
		}
	}
	if len(names) == 0 {
		return nil, nil, fmt.Errorf("no source is configured: set SEGMENT_WRITE_KEY and SEGMENT_REGION (us or eu), "+
			"or write a %s", settings.FileName)
	}
	for _, name := range names {
		source, ok := s.Sources[name]
		if !ok {
			return nil, nil, fmt.Errorf("no source has this name%s, there are %s: %q", schemas.DidYouMean(name, known),
				strings.Join(known, ", "), name)
		}
		key, _, err := s.Key(source)
		if err != nil {
			return nil, nil, err
		}
		found = append(found, Source{name, s.Tracking(source, key)})
	}
	return found, s.Warnings, nil
}
