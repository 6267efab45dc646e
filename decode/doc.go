// Package decode finds the headers of a frame and says what is odd about them.
//
// A Stack decodes one frame into one or more packets: the frame itself, and the packets that tunnels carry. It keeps no
// state from one frame to the next, copies no payload, allocates nothing and never fails: what is malformed becomes an
// event of the packet. The package knows nothing of flows, streams, rules or output.
package decode
