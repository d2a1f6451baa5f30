package emulator

import (
	"errors"
	"fmt"
	"time"
)

// An AnswerMode says how the emulator answers a message that Segment would drop.
type AnswerMode string

const (
	// Segment answers as api.segment.io does: 200 to a message it is going to
	// drop, 400 only to what it cannot read. It is the default.
	Segment AnswerMode = "segment"
	// Strict answers 4xx with the discard code, and stores nothing of a batch
	// that holds a bad message. A client asks for it on one request with the
	// header "X-Strict-Mode: 1", as Customer.io's Segment-compatible API has it.
	Strict AnswerMode = "strict"
)

// An OversizePolicy says what becomes of a batch that holds a message over
// [MaxMessageBytes] in mode Segment. Segment's documentation says both.
type OversizePolicy string

const (
	// RefuseBatch answers 400 and stores nothing. It is the default.
	RefuseBatch OversizePolicy = "refuse"
	// DropItem answers 200, discards that message and stores the others.
	DropItem OversizePolicy = "drop"
)

// An Option configures an Emulator; see New.
type Option func(*config)

type config struct {
	mode     AnswerMode
	capacity int
	logPath  string
	keys     []string
	clock    func() time.Time
	oversize OversizePolicy
	dedup    time.Duration
	hosts    []string
	token    string
}

func newConfig(opts []Option) (config, error) {
	cfg := config{
		mode:     Segment,
		capacity: defaultCapacity,
		clock:    time.Now,
		oversize: RefuseBatch,
		dedup:    24 * time.Hour,
	}
	for _, opt := range opts {
		opt(&cfg)
	}
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("emulator: "+format, args...))
		}
	}
	check(cfg.mode == Segment || cfg.mode == Strict, "mode must be segment or strict: %q", cfg.mode)
	check(cfg.oversize == RefuseBatch || cfg.oversize == DropItem,
		"oversize policy must be refuse or drop: %q", cfg.oversize)
	check(cfg.capacity >= 1, "capacity must be at least 1: %d", cfg.capacity)
	check(cfg.dedup >= 0, "dedup window cannot be negative: %s", cfg.dedup)
	for i, key := range cfg.keys {
		check(key != "", "known write key %d is empty", i)
	}
	return cfg, errors.Join(errs...)
}

// Mode chooses how messages that Segment would drop are answered.
func Mode(m AnswerMode) Option { return func(c *config) { c.mode = m } }

// Capacity is how many events are kept in memory, 10,000 unless told otherwise,
// and fewer when they come to more than 64 MiB. When it is reached the oldest is
// forgotten and counted in [Stats]. It does not bound the file of [LogTo].
func Capacity(events int) Option { return func(c *config) { c.capacity = events } }

// LogTo appends each event to the file at path as one line of JSON, the form in
// which the query API shows it, creating the file when there is none. Events
// already in it are loaded, so a restart continues where the last run stopped.
//
// A line is written, whole, before the request that brought it is answered: what
// was answered 200 survives the process dying. It is left to the operating
// system to reach the disk; [Emulator.Close] waits for that. A last line cut
// short by a crash is removed on opening, and any other line that is no event
// makes New fail, rather than lose what somebody may want back.
//
// A file belongs to one emulator at a time: New fails with [ErrLogInUse] while
// another holds the lock on the file beside it that ends in ".lock". Without a path
// there is no file.
func LogTo(path string) Option { return func(c *config) { c.logPath = path } }

// KnownWriteKeys are the keys whose messages are stored. A message with another
// is answered as Segment does, 200, and discarded as unknown_source. Without
// this option every plausible key is taken: eight characters or more. It may be
// given more than once.
func KnownWriteKeys(keys ...string) Option {
	return func(c *config) { c.keys = append(c.keys, keys...) }
}

// OversizeItem chooses what becomes of a batch with an oversize message.
func OversizeItem(p OversizePolicy) Option { return func(c *config) { c.oversize = p } }

// DedupWindow is how long a messageId is remembered, 24 hours unless told
// otherwise; 0 turns de-duplication off. As at Segment, ids are compared across
// all sources. At most a million are remembered.
// Segment docs: Handling Duplicate Data.
func DedupWindow(d time.Duration) Option { return func(c *config) { c.dedup = d } }

// AllowHosts are names, without port, that the query API may be asked under in
// addition to localhost and the loopback addresses. Any other Host header is
// refused, so that a web page cannot reach the API by rebinding its own name.
func AllowHosts(hosts ...string) Option {
	return func(c *config) { c.hosts = append(c.hosts, hosts...) }
}

// Token makes the query API demand "Authorization: Bearer token". [Emulator.Serve]
// requires one on any address that is not loopback. "" demands none.
func Token(token string) Option { return func(c *config) { c.token = token } }
