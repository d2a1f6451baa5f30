//go:build !linux

package serve

import "net"

// ignoreHandshakes reports false: there is no socket filter for a listener here.
func ignoreHandshakes(net.Listener) bool { return false }
