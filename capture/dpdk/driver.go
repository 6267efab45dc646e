package dpdk

import (
	"sentinel/capture"
)

// Driver is the way of capturing that the command line and the configuration call dpdk.
var Driver = capture.Driver{
	Name: "dpdk", Section: "dpdk.interfaces", Doc: "ports of DPDK, by polling (builds with the tag dpdk)", Inline: capture.CopiesInline,
	Checksums: func(t *capture.Target) bool { return t.Get("checksum-checks").Bool(true) },
	Open: func(t *capture.Target) ([]capture.Source, error) {
		s, err := Configure(t)
		if err != nil {
			return nil, err
		}
		return open(t, s)
	},
}
