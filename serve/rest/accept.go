package rest

import (
	"mime"
	"net/http"
	"strconv"
	"strings"
)

// prefers reports whether a request asks for a media type by its name, and for JSON less. Wildcards mean JSON, and what cannot be
// had gets JSON too: an answer is better than a 406.
func prefers(r *http.Request, mediaType string) bool {
	wanted, other := 0.0, 0.0
	for _, header := range r.Header.Values("Accept") {
		for part := range strings.SplitSeq(header, ",") {
			name, params, err := mime.ParseMediaType(part)
			if err != nil {
				continue
			}
			quality := 1.0
			if q, ok := params["q"]; ok {
				if quality, err = strconv.ParseFloat(q, 64); err != nil {
					continue
				}
			}
			switch name {
			case mediaType:
				wanted = max(wanted, quality)
			case typeJSON:
				other = max(other, quality)
			}
		}
	}
	return wanted > 0 && wanted >= other
}
