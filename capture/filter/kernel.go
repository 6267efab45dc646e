package filter

import (
	"errors"

	"golang.org/x/net/bpf"

	"sentinel/capture"
)

// Kernel compiles a filter for an Ethernet interface, to be attached to a socket.
func Kernel(text string) ([]bpf.RawInstruction, error) {
	p, err := Parse(text)
	if err != nil {
		return nil, err
	}
	if p.UsesVLAN() {
		return nil, errors.New("vlan cannot be used on an interface, where the kernel takes the tags out of the frames")
	}
	return p.Compile(capture.LinkEthernet)
}
