//go:build !unix

package main

import (
	"os"
	"time"
)

// processUsage is not known here.
func processUsage() (time.Duration, int64) { return 0, 0 }

// endedUsage knows no memory here.
func endedUsage(p *os.ProcessState) (time.Duration, int64) { return p.UserTime() + p.SystemTime(), 0 }
