package serve

import (
	"net"

	"golang.org/x/sys/unix"
)

// ignoreHandshakes makes the kernel drop each SYN that arrives for a listener, by a socket filter.
// It reports false if the listener takes none. Connections that are accepted later inherit the
// filter, and receive no SYN.
func ignoreHandshakes(ln net.Listener) bool {
	const flags, syn, all = 13, 0x02, 0xffffffff // the byte of a TCP header with the flags
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: flags},
		{Code: unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K, K: syn, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},
		{Code: unix.BPF_RET | unix.BPF_K, K: all},
	}
	tcp, ok := ln.(*net.TCPListener)
	if !ok {
		return false
	}
	conn, err := tcp.SyscallConn()
	if err != nil {
		return false
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	err = conn.Control(func(fd uintptr) {
		ok = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &program) == nil
	})
	return ok && err == nil
}
