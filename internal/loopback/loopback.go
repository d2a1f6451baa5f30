// Package loopback tells this machine from others.
package loopback

import (
	"net/netip"
	"strings"
)

// Host reports whether a host name or IP address, without a port, stands for this machine. Names
// below localhost do, as RFC 6761 says.
func Host(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}
