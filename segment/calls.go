// Code generated from schemas/segment by go generate ./docs/gen. DO NOT EDIT.

package segment

import (
	"time"

	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

// Alias is the input of segment_alias. Sends one alias call: everything recorded under
// previousId belongs to userId from now on. The direction matters: userId is the id to keep,
// previousId the id to leave behind.
//
//   - Segment needs the id to keep.
//   - Segment needs the id to join from.
type Alias struct {
	// Write key of the Segment source. Omit it if the host has configured one.
	WriteKey tracking.WriteKey
	// The id to keep. The person has it from now on.
	UserID string
	// The id that the same person had until now: an anonymous id or an old user id.
	PreviousID string
	// Where and how it happened, in Segment's own keys, such as ip, locale, timezone, userAgent,
	// page, campaign, device and app.
	Context map[string]any
	// When it happened, in ISO 8601, UTC if it has no zone. Defaults to now; set it to import
	// history.
	Timestamp time.Time
}

// Block returns segment_alias@1.
func (Alias) Block() string { return "segment_alias@1" }

// Input returns the parameters that are given.
func (c Alias) Input() runtime.Map {
	return given(runtime.Map{
		"writeKey":   string(c.WriteKey),
		"userId":     c.UserID,
		"previousId": c.PreviousID,
		"context":    c.Context,
		"timestamp":  c.Timestamp,
	})
}

// Batch is the input of segment_batch. Sends a list of messages, each a track, identify,
// page, screen, group or alias call with its type. If any message is faulty, none is sent,
// and the error names each faulty one by its position. A list too large for one request is
// split, and the messages of one user stay in order.
//
// A message may have fields that its type does not define, as exports of Segment data do.
// They are sent unchanged, and the receipt lists them. Two fields are special: sentAt is
// replaced with the time of sending, which the protocol needs, and a writeKey is refused,
// because it would send the message to another source.
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
	// Write key of the Segment source. Omit it if the host has configured one.
	WriteKey tracking.WriteKey
	// JSON array of messages, in order. Each is an object with a type, ids, and the fields of
	// that type.
	Batch []Message
	// Context of every message in the batch. A message's own values win.
	Context map[string]any
}

// Block returns segment_batch@1.
func (Batch) Block() string { return "segment_batch@1" }

// Input returns the parameters that are given.
func (c Batch) Input() runtime.Map {
	return given(runtime.Map{
		"writeKey": string(c.WriteKey),
		"batch":    messages(c.Batch),
		"context":  c.Context,
	})
}

// Group is the input of segment_group. Sends one group call, which ties a user or visitor
// to a group and sets the group's traits. A user may belong to several groups, with one call
// for each.
//
//   - Segment needs the id of the group.
//   - Segment needs userId or anonymousId.
type Group struct {
	// Write key of the Segment source. Omit it if the host has configured one.
	WriteKey tracking.WriteKey
	// Your own permanent id of the group, such as an account or organisation key.
	GroupID string
	// Your own permanent id of the user, such as a database key. Do not use an email address:
	// it changes.
	UserID string
	// Id of a visitor you do not know yet. Required without a userId; you may give both.
	AnonymousID string
	// What is known about the group, such as name, industry, employees or plan.
	Traits map[string]any
	// Where and how it happened, in Segment's own keys, such as ip, locale, timezone, userAgent,
	// page, campaign, device and app.
	Context map[string]any
	// When it happened, in ISO 8601, UTC if it has no zone. Defaults to now; set it to import
	// history.
	Timestamp time.Time
}

// Block returns segment_group@1.
func (Group) Block() string { return "segment_group@1" }

// Input returns the parameters that are given.
func (c Group) Input() runtime.Map {
	return given(runtime.Map{
		"writeKey":    string(c.WriteKey),
		"groupId":     c.GroupID,
		"userId":      c.UserID,
		"anonymousId": c.AnonymousID,
		"traits":      c.Traits,
		"context":     c.Context,
		"timestamp":   c.Timestamp,
	})
}

// Identify is the input of segment_identify. Sends one identify call, which ties a user id,
// an anonymous id or both to traits such as name, email or plan. Traits that you omit keep
// their value.
//
//   - Segment needs userId or anonymousId.
type Identify struct {
	// Write key of the Segment source. Omit it if the host has configured one.
	WriteKey tracking.WriteKey
	// Your own permanent id of the user, such as a database key. Do not use an email address:
	// it changes.
	UserID string
	// Id of a visitor you do not know yet. Required without a userId; you may give both.
	AnonymousID string
	// What is known about the user, such as name, email, plan or createdAt.
	Traits map[string]any
	// Where and how it happened, in Segment's own keys, such as ip, locale, timezone, userAgent,
	// page, campaign, device and app.
	Context map[string]any
	// When it happened, in ISO 8601, UTC if it has no zone. Defaults to now; set it to import
	// history.
	Timestamp time.Time
}

// Block returns segment_identify@1.
func (Identify) Block() string { return "segment_identify@1" }

// Input returns the parameters that are given.
func (c Identify) Input() runtime.Map {
	return given(runtime.Map{
		"writeKey":    string(c.WriteKey),
		"userId":      c.UserID,
		"anonymousId": c.AnonymousID,
		"traits":      c.Traits,
		"context":     c.Context,
		"timestamp":   c.Timestamp,
	})
}

// Page is the input of segment_page. Sends one page call: who saw which page, with
// properties of the view. Segment lists it in the source's events as Page Viewed.
//
//   - Segment needs userId or anonymousId.
type Page struct {
	// Write key of the Segment source. Omit it if the host has configured one.
	WriteKey tracking.WriteKey
	// Your own permanent id of the user, such as a database key. Do not use an email address:
	// it changes.
	UserID string
	// Id of a visitor you do not know yet. Required without a userId; you may give both.
	AnonymousID string
	// Name of the page, such as Product Detail.
	Name string
	// Category of the page, such as Store.
	Category string
	// Details of the view, such as url, path, title, referrer and search.
	Properties map[string]any
	// Where and how it happened, in Segment's own keys, such as ip, locale, timezone, userAgent,
	// page, campaign, device and app.
	Context map[string]any
	// When it happened, in ISO 8601, UTC if it has no zone. Defaults to now; set it to import
	// history.
	Timestamp time.Time
}

// Block returns segment_page@1.
func (Page) Block() string { return "segment_page@1" }

// Input returns the parameters that are given.
func (c Page) Input() runtime.Map {
	return given(runtime.Map{
		"writeKey":    string(c.WriteKey),
		"userId":      c.UserID,
		"anonymousId": c.AnonymousID,
		"name":        c.Name,
		"category":    c.Category,
		"properties":  c.Properties,
		"context":     c.Context,
		"timestamp":   c.Timestamp,
	})
}

// Screen is the input of segment_screen. Sends one screen call: who saw which screen,
// with properties of the view. Segment lists it in the source's events as Screen Viewed.
//
//   - Segment needs userId or anonymousId.
type Screen struct {
	// Write key of the Segment source. Omit it if the host has configured one.
	WriteKey tracking.WriteKey
	// Your own permanent id of the user, such as a database key. Do not use an email address:
	// it changes.
	UserID string
	// Id of a visitor you do not know yet. Required without a userId; you may give both.
	AnonymousID string
	// Name of the screen, such as Order Summary.
	Name string
	// Category of the screen, such as Checkout.
	Category string
	// Details of the view, such as the variant shown or where it was opened from.
	Properties map[string]any
	// Where and how it happened, in Segment's own keys, such as ip, locale, timezone, userAgent,
	// page, campaign, device and app.
	Context map[string]any
	// When it happened, in ISO 8601, UTC if it has no zone. Defaults to now; set it to import
	// history.
	Timestamp time.Time
}

// Block returns segment_screen@1.
func (Screen) Block() string { return "segment_screen@1" }

// Input returns the parameters that are given.
func (c Screen) Input() runtime.Map {
	return given(runtime.Map{
		"writeKey":    string(c.WriteKey),
		"userId":      c.UserID,
		"anonymousId": c.AnonymousID,
		"name":        c.Name,
		"category":    c.Category,
		"properties":  c.Properties,
		"context":     c.Context,
		"timestamp":   c.Timestamp,
	})
}

// Track is the input of segment_track. Sends one track call: an event with a name,
// who did it, and properties that describe it. Segment passes it on to the destinations of
// the source.
//
//   - Segment needs the name of the event.
//   - Segment needs userId or anonymousId.
//   - The event Segment Consent Preference Updated needs context.consent.categoryPreferences, an object of booleans.
type Track struct {
	// Write key of the Segment source. Omit it if the host has configured one.
	WriteKey tracking.WriteKey
	// What happened: an object and a past-tense verb in title case. Put values into properties,
	// not into the name.
	Event string
	// Your own permanent id of the user, such as a database key. Do not use an email address:
	// it changes.
	UserID string
	// Id of a visitor you do not know yet. Required without a userId; you may give both.
	AnonymousID string
	// Details of the event, such as revenue, currency or the products of an order.
	Properties map[string]any
	// Where and how it happened, in Segment's own keys, such as ip, locale, timezone, userAgent,
	// page, campaign, device and app.
	Context map[string]any
	// When it happened, in ISO 8601, UTC if it has no zone. Defaults to now; set it to import
	// history.
	Timestamp time.Time
	// Which destinations get it, by exact name. All is the default for the others. Values are
	// true, false or an object of options.
	Integrations map[string]any
}

// Block returns segment_track@1.
func (Track) Block() string { return "segment_track@1" }

// Input returns the parameters that are given.
func (c Track) Input() runtime.Map {
	return given(runtime.Map{
		"writeKey":     string(c.WriteKey),
		"event":        c.Event,
		"userId":       c.UserID,
		"anonymousId":  c.AnonymousID,
		"properties":   c.Properties,
		"context":      c.Context,
		"timestamp":    c.Timestamp,
		"integrations": c.Integrations,
	})
}
