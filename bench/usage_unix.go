//go:build unix

package main

import (
	"os"
	"runtime"
	"syscall"
	"time"
)

// processUsage is how long the cores have worked for this process, and the most memory that it has
// held, in bytes.
func processUsage() (cpu time.Duration, peak int64) {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0, 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()), maxrss(&usage)
}

// endedUsage is the same of a process that has ended, with its children.
func endedUsage(p *os.ProcessState) (cpu time.Duration, peak int64) {
	if usage, ok := p.SysUsage().(*syscall.Rusage); ok {
		peak = maxrss(usage)
	}
	return p.UserTime() + p.SystemTime(), peak
}

func maxrss(usage *syscall.Rusage) int64 {
	if runtime.GOOS == "darwin" || runtime.GOOS == "ios" {
		return usage.Maxrss
	}
	return usage.Maxrss << 10
}
