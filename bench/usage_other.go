//go:build !unix

package main

import (
	"os"
	"time"
)

// processUsage returns zeros, because the usage is unknown on this system.
func processUsage() (time.Duration, int64) { return 0, 0 }

// endedUsage returns no peak memory, because it is unknown on this system.
func endedUsage(p *os.ProcessState) (time.Duration, int64) { return p.UserTime() + p.SystemTime(), 0 }
