//go:build unix

package main

import (
	"os"
	"runtime"
	"syscall"
	"time"
)

// processUsage returns the CPU time of this process, and its peak memory in bytes.
func processUsage() (cpu time.Duration, peak int64) {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0, 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()), maxrss(&usage)
}

// endedUsage returns the same for a process that has ended, including its children.
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
