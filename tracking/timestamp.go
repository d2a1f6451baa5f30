package tracking

import (
	"strings"
	"time"
)

// namesZone tells whether s, which isotime.Parse has taken, says where its time is read.
func namesZone(s string) bool {
	date := len("20240102")
	if s[4] == '-' {
		date = len("2024-01-02")
	}
	return strings.ContainsAny(s[date:], "Zz+-")
}

// isRFC3339 tells whether s, which isotime.Parse has taken, is a date-time of RFC 3339 as JSON Schema and Go know it.
func isRFC3339(s string) bool {
	_, err := time.Parse(time.RFC3339Nano, s)
	return err == nil && !strings.Contains(s, ",")
}
