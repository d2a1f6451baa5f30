package emulator

import "time"

// BreakLog makes every further write to the log fail.
func BreakLog(e *Emulator) error { return e.log.f.Close() }

// Clock replaces time.Now as the source of receivedAt and of the age of a messageId.
func Clock(now func() time.Time) Option { return func(c *config) { c.clock = now } }
