package filter

import (
	"golang.org/x/net/bpf"

	"sentinel/capture"
)

// Kernel compiles a filter for an Ethernet interface, to be attached to a socket. There the kernel keeps the outer VLAN tag
// beside the frame.
func Kernel(text string) ([]bpf.RawInstruction, error) {
	p, err := Parse(text)
	if err != nil {
		return nil, err
	}
	l := layouts[capture.LinkEthernet]
	l.taken = true
	return p.compile(l)
}
