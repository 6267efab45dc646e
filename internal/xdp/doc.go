// Package xdp has the engine's one XDP program, and loads it on interfaces: it drops what comes from unwanted addresses, leaves
// alone the flows that user space has had enough of, and hands the other frames to AF_XDP sockets, or on to the network stack.
//
// One interface has room for one program, so all users of an interface share one Program. The package knows nothing of rules,
// flow tables and capture; it fills no map but that of the sockets and that of the peer.
package xdp
