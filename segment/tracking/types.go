package tracking

import (
	"encoding/json"

	"github.com/aacflow/segment-blocks/rawjson"
)

// Type is one of Segment's calls.
type Type string

// Segment's message types.
const (
	Track    Type = "track"
	Identify Type = "identify"
	Page     Type = "page"
	Screen   Type = "screen"
	Group    Type = "group"
	Alias    Type = "alias"
)

// Types lists the message types, sorted. A batch takes every one of them.
func Types() []Type { return []Type{Alias, Group, Identify, Page, Screen, Track} }

// Path returns where a message of this type is posted when it goes alone, below [Source.URL].
func (t Type) Path() string {
	switch t {
	case Track:
		return "/v1/track"
	case Identify:
		return "/v1/identify"
	case Page:
		return "/v1/page"
	case Screen:
		return "/v1/screen"
	case Group:
		return "/v1/group"
	case Alias:
		return "/v1/alias"
	}
	return "/v1/" + string(t)
}

// Valid reports whether Segment knows t.
func (t Type) Valid() bool {
	switch t {
	case Track, Identify, Page, Screen, Group, Alias:
		return true
	}
	return false
}

// typeIn returns the type that a JSON string names, known or not, and "" for any other value.
func typeIn(raw json.RawMessage) Type {
	if len(raw) > 2 {
		for _, t := range [...]Type{Track, Identify, Page, Screen, Group, Alias} { // the usual ones without a copy
			if string(raw[1:len(raw)-1]) == string(t) {
				return t
			}
		}
	}
	text, _ := rawjson.Text(raw)
	return Type(text)
}

// BatchPath is where batches are posted, below [Source.URL].
const BatchPath = "/v1/batch"

// Limits of the API. Segment writes "32KB" and "500KB" without saying whether its K is 1000 or 1024, and counts the
// whole request; these are the safe readings that its own libraries use. All are checked on the bytes that are sent.
const (
	// MaxMessageBytes is the largest message, in bytes: an item of a batch as it stands in the body, or the body of
	// a message that goes alone.
	MaxMessageBytes = 32_000
	// MaxBodyBytes is the largest body of a batch, in bytes, everything included.
	MaxBodyBytes = 475_000
	// MaxBatchMessages is how many messages one request may carry. SendBatch takes more and splits them.
	MaxBatchMessages = 2500
	// MaxMessageIDLength is the longest messageId, in characters: Segment wants fewer than 100.
	MaxMessageIDLength = 99
)
