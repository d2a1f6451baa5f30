// Code generated from schemas/segment by go generate ./docs/gen. DO NOT EDIT.

package segment

import (
	"time"

	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

// Alias is the input of segment_alias. Sends one alias call: what was recorded under
// previousId belongs from now on to userId. The direction matters: userId is the id to keep,
// previousId the one to leave behind.
//
//   - Segment needs the id to keep.
//   - Segment needs the id to join from.
type Alias struct {
	// Write key of the Segment source that the call is for. Leave it out where the host has
	// configured one.
	WriteKey tracking.WriteKey
	// The id to keep, which the person is known by from now on.
	UserID string
	// The id the same person was known by until now, anonymous or a former user id.
	PreviousID string
	// Where and how it happened, with Segment's own keys, such as ip, locale, timezone,
	// userAgent, page, campaign, device and app.
	Context map[string]any
	// When it happened, as ISO 8601. Without a zone it is taken as UTC. Leave it out for now;
	// set it to import history.
	Timestamp time.Time
}

// Block returns segment_alias@1.
func (Alias) Block() string { return "segment_alias@1" }

// Input returns the parameters that are given.
func (c Alias) Input() runtime.Map {
	m := runtime.Map{}
	if c.WriteKey != "" {
		m["writeKey"] = string(c.WriteKey)
	}
	if c.UserID != "" {
		m["userId"] = c.UserID
	}
	if c.PreviousID != "" {
		m["previousId"] = c.PreviousID
	}
	if c.Context != nil {
		m["context"] = c.Context
	}
	if !c.Timestamp.IsZero() {
		m["timestamp"] = c.Timestamp.Format(time.RFC3339Nano)
	}
	return m
}

// Batch is the input of segment_batch. Sends a list of messages, each a track, identify,
// page, screen, group or alias call with its type. Either all are sent or, where one is
// faulty, none: the error names each faulty message by its place in the list. A list too
// long or too large for one request is split, the messages of one user staying in order.
//
// A message may have fields that its type does not know, as exports of Segment data do.
// They are sent as they are, and the receipt says which. Only sentAt is replaced, because
// the protocol needs the time of sending in it, and a writeKey inside a message is refused,
// because it would send that message to another source.
//
// The track event Segment Consent Preference Updated needs
// context.consent.categoryPreferences, an object of booleans, in its own context or in that
// of the batch.
//
//   - Segment needs at least one message.
//   - Each message needs its type.
//   - A track message needs an event name.
//   - A group message needs a groupId.
//   - An alias message needs userId and previousId.
//   - A message of any type but alias needs userId or anonymousId.
type Batch struct {
	// Write key of the Segment source that the call is for. Leave it out where the host has
	// configured one.
	WriteKey tracking.WriteKey
	// JSON array of messages, in order. Each is an object with its type, its ids, and the fields
	// of that type.
	Batch []Message
	// Context for every message of the batch. It is merged into each message's own, whose values
	// win.
	Context map[string]any
}

// Block returns segment_batch@1.
func (Batch) Block() string { return "segment_batch@1" }

// Input returns the parameters that are given.
func (c Batch) Input() runtime.Map {
	m := runtime.Map{}
	if c.WriteKey != "" {
		m["writeKey"] = string(c.WriteKey)
	}
	m["batch"] = messages(c.Batch)
	if c.Context != nil {
		m["context"] = c.Context
	}
	return m
}

// Group is the input of segment_group. Sends one group call: it ties a user or visitor to a
// group and gives the traits of that group. A user may belong to several groups, one call
// each.
//
//   - Segment needs the id of the group.
//   - Segment needs userId or anonymousId.
type Group struct {
	// Write key of the Segment source that the call is for. Leave it out where the host has
	// configured one.
	WriteKey tracking.WriteKey
	// Your own permanent id of the group, such as an account or organisation key.
	GroupID string
	// Your own permanent id of the user, such as a database key. An email address is a poor one,
	// since it changes.
	UserID string
	// Id of a visitor whom you cannot name yet. Needed where there is no userId; both may be
	// given.
	AnonymousID string
	// What is known about the group, such as name, industry, employees or plan.
	Traits map[string]any
	// Where and how it happened, with Segment's own keys, such as ip, locale, timezone,
	// userAgent, page, campaign, device and app.
	Context map[string]any
	// When it happened, as ISO 8601. Without a zone it is taken as UTC. Leave it out for now;
	// set it to import history.
	Timestamp time.Time
}

// Block returns segment_group@1.
func (Group) Block() string { return "segment_group@1" }

// Input returns the parameters that are given.
func (c Group) Input() runtime.Map {
	m := runtime.Map{}
	if c.WriteKey != "" {
		m["writeKey"] = string(c.WriteKey)
	}
	if c.GroupID != "" {
		m["groupId"] = c.GroupID
	}
	if c.UserID != "" {
		m["userId"] = c.UserID
	}
	if c.AnonymousID != "" {
		m["anonymousId"] = c.AnonymousID
	}
	if c.Traits != nil {
		m["traits"] = c.Traits
	}
	if c.Context != nil {
		m["context"] = c.Context
	}
	if !c.Timestamp.IsZero() {
		m["timestamp"] = c.Timestamp.Format(time.RFC3339Nano)
	}
	return m
}

// Identify is the input of segment_identify. Sends one identify call: it ties a user id,
// an anonymous id or both to traits such as name, email or plan. Traits that are not named
// keep the value they had.
//
//   - Segment needs userId or anonymousId.
type Identify struct {
	// Write key of the Segment source that the call is for. Leave it out where the host has
	// configured one.
	WriteKey tracking.WriteKey
	// Your own permanent id of the user, such as a database key. An email address is a poor one,
	// since it changes.
	UserID string
	// Id of a visitor whom you cannot name yet. Needed where there is no userId; both may be
	// given.
	AnonymousID string
	// What is known about the user, such as name, email, plan or createdAt.
	Traits map[string]any
	// Where and how it happened, with Segment's own keys, such as ip, locale, timezone,
	// userAgent, page, campaign, device and app.
	Context map[string]any
	// When it happened, as ISO 8601. Without a zone it is taken as UTC. Leave it out for now;
	// set it to import history.
	Timestamp time.Time
}

// Block returns segment_identify@1.
func (Identify) Block() string { return "segment_identify@1" }

// Input returns the parameters that are given.
func (c Identify) Input() runtime.Map {
	m := runtime.Map{}
	if c.WriteKey != "" {
		m["writeKey"] = string(c.WriteKey)
	}
	if c.UserID != "" {
		m["userId"] = c.UserID
	}
	if c.AnonymousID != "" {
		m["anonymousId"] = c.AnonymousID
	}
	if c.Traits != nil {
		m["traits"] = c.Traits
	}
	if c.Context != nil {
		m["context"] = c.Context
	}
	if !c.Timestamp.IsZero() {
		m["timestamp"] = c.Timestamp.Format(time.RFC3339Nano)
	}
	return m
}

// Page is the input of segment_page. Sends one page call: who saw which page, with
// properties of that view. Segment lists it among a source's events as Page Viewed.
//
//   - Segment needs userId or anonymousId.
type Page struct {
	// Write key of the Segment source that the call is for. Leave it out where the host has
	// configured one.
	WriteKey tracking.WriteKey
	// Your own permanent id of the user, such as a database key. An email address is a poor one,
	// since it changes.
	UserID string
	// Id of a visitor whom you cannot name yet. Needed where there is no userId; both may be
	// given.
	AnonymousID string
	// What the page is called, such as Product Detail.
	Name string
	// What kind of page it is, such as Store.
	Category string
	// What is worth knowing about the view, such as url, path, title, referrer and search.
	Properties map[string]any
	// Where and how it happened, with Segment's own keys, such as ip, locale, timezone,
	// userAgent, page, campaign, device and app.
	Context map[string]any
	// When it happened, as ISO 8601. Without a zone it is taken as UTC. Leave it out for now;
	// set it to import history.
	Timestamp time.Time
}

// Block returns segment_page@1.
func (Page) Block() string { return "segment_page@1" }

// Input returns the parameters that are given.
func (c Page) Input() runtime.Map {
	m := runtime.Map{}
	if c.WriteKey != "" {
		m["writeKey"] = string(c.WriteKey)
	}
	if c.UserID != "" {
		m["userId"] = c.UserID
	}
	if c.AnonymousID != "" {
		m["anonymousId"] = c.AnonymousID
	}
	if c.Name != "" {
		m["name"] = c.Name
	}
	if c.Category != "" {
		m["category"] = c.Category
	}
	if c.Properties != nil {
		m["properties"] = c.Properties
	}
	if c.Context != nil {
		m["context"] = c.Context
	}
	if !c.Timestamp.IsZero() {
		m["timestamp"] = c.Timestamp.Format(time.RFC3339Nano)
	}
	return m
}

// Screen is the input of segment_screen. Sends one screen call: who saw which screen,
// with properties of that view. Segment lists it among a source's events as Screen Viewed.
//
//   - Segment needs userId or anonymousId.
type Screen struct {
	// Write key of the Segment source that the call is for. Leave it out where the host has
	// configured one.
	WriteKey tracking.WriteKey
	// Your own permanent id of the user, such as a database key. An email address is a poor one,
	// since it changes.
	UserID string
	// Id of a visitor whom you cannot name yet. Needed where there is no userId; both may be
	// given.
	AnonymousID string
	// What the screen is called, such as Order Summary.
	Name string
	// What kind of screen it is, such as Checkout.
	Category string
	// What is worth knowing about the view, such as the variant shown or where it was opened
	// from.
	Properties map[string]any
	// Where and how it happened, with Segment's own keys, such as ip, locale, timezone,
	// userAgent, page, campaign, device and app.
	Context map[string]any
	// When it happened, as ISO 8601. Without a zone it is taken as UTC. Leave it out for now;
	// set it to import history.
	Timestamp time.Time
}

// Block returns segment_screen@1.
func (Screen) Block() string { return "segment_screen@1" }

// Input returns the parameters that are given.
func (c Screen) Input() runtime.Map {
	m := runtime.Map{}
	if c.WriteKey != "" {
		m["writeKey"] = string(c.WriteKey)
	}
	if c.UserID != "" {
		m["userId"] = c.UserID
	}
	if c.AnonymousID != "" {
		m["anonymousId"] = c.AnonymousID
	}
	if c.Name != "" {
		m["name"] = c.Name
	}
	if c.Category != "" {
		m["category"] = c.Category
	}
	if c.Properties != nil {
		m["properties"] = c.Properties
	}
	if c.Context != nil {
		m["context"] = c.Context
	}
	if !c.Timestamp.IsZero() {
		m["timestamp"] = c.Timestamp.Format(time.RFC3339Nano)
	}
	return m
}

// Track is the input of segment_track. Sends one track call: an event with a name,
// who did it, and properties that describe it. Segment passes it on to the destinations of
// the source.
//
//   - Segment needs the name of the event.
//   - Segment needs userId or anonymousId.
//   - The event Segment Consent Preference Updated needs context.consent.categoryPreferences, an object of booleans.
type Track struct {
	// Write key of the Segment source that the call is for. Leave it out where the host has
	// configured one.
	WriteKey tracking.WriteKey
	// What happened, as an object and a past-tense verb in title case. Keep values out of it and
	// put them into properties.
	Event string
	// Your own permanent id of the user, such as a database key. An email address is a poor one,
	// since it changes.
	UserID string
	// Id of a visitor whom you cannot name yet. Needed where there is no userId; both may be
	// given.
	AnonymousID string
	// What is worth knowing about the event, such as revenue, currency or the products of an
	// order.
	Properties map[string]any
	// Where and how it happened, with Segment's own keys, such as ip, locale, timezone,
	// userAgent, page, campaign, device and app.
	Context map[string]any
	// When it happened, as ISO 8601. Without a zone it is taken as UTC. Leave it out for now;
	// set it to import history.
	Timestamp time.Time
	// Which destinations get it, by their exact names. All is the default for those not named;
	// a value is true, false or an object of options.
	Integrations map[string]any
}

// Block returns segment_track@1.
func (Track) Block() string { return "segment_track@1" }

// Input returns the parameters that are given.
func (c Track) Input() runtime.Map {
	m := runtime.Map{}
	if c.WriteKey != "" {
		m["writeKey"] = string(c.WriteKey)
	}
	if c.Event != "" {
		m["event"] = c.Event
	}
	if c.UserID != "" {
		m["userId"] = c.UserID
	}
	if c.AnonymousID != "" {
		m["anonymousId"] = c.AnonymousID
	}
	if c.Properties != nil {
		m["properties"] = c.Properties
	}
	if c.Context != nil {
		m["context"] = c.Context
	}
	if !c.Timestamp.IsZero() {
		m["timestamp"] = c.Timestamp.Format(time.RFC3339Nano)
	}
	if c.Integrations != nil {
		m["integrations"] = c.Integrations
	}
	return m
}
