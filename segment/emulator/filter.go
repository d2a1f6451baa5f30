package emulator

import (
	"bytes"
	"strings"
)

// A Filter picks events. Every field that is set must match; the zero Filter
// picks all.
type Filter struct {
	Type        string // one of the six
	Name        string // the event of a track call, or the name of a page or screen, exactly
	UserID      string
	AnonymousID string
	MessageID   string
	Source      string // a write key's fingerprint
	Text        string // anywhere in the message's JSON as it was sent, in any case

	Since  uint64 // only events with a greater Seq
	Limit  int    // at most so many, 0 is no limit
	Newest bool   // newest first, so that Limit keeps the newest
}

func (f *Filter) match(ev *Event) bool {
	return ev.Seq > f.Since &&
		matches(f.Type, ev.Type) &&
		matches(f.Name, ev.Name) &&
		matches(f.UserID, ev.UserID) &&
		matches(f.AnonymousID, ev.AnonymousID) &&
		matches(f.MessageID, ev.MessageID) &&
		matches(f.Source, ev.Source) &&
		(f.Text == "" || bytes.Contains(bytes.ToLower(ev.Message), []byte(strings.ToLower(f.Text))))
}

// A DiscardFilter picks discards. Every field that is set must match; the zero
// DiscardFilter picks all.
type DiscardFilter struct {
	Code      string // of any of the problems
	MessageID string
	Source    string

	Since  uint64 // only discards with a greater Seq
	Limit  int    // at most so many, 0 is no limit
	Newest bool   // newest first
}

func (f *DiscardFilter) match(d *Discard) bool {
	return d.Seq > f.Since &&
		(f.Code == "" || d.has(f.Code)) &&
		matches(f.MessageID, d.MessageID) &&
		matches(f.Source, d.Source)
}

func matches(want, have string) bool { return want == "" || want == have }
