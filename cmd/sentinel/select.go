package main

import (
	"fmt"

	"sentinel"
)

// selectFirst is the value of a capture option without an argument: the interfaces of the configuration.
const selectFirst = "*"

// selectors are the options that choose a way of capturing from a network.
var selectors = [...]struct{ option, driver, doc string }{
	{"af-packet", "af-packet", "capture from this `INTERFACE` through AF_PACKET, from those of the configuration without"},
	{"pcap", "pcap", "capture from this `INTERFACE`, of any type, or from any of them; from those of the configuration without"},
	{"af-xdp", "af-xdp", "capture from this `INTERFACE` through AF_XDP, from those of the configuration without"},
	{"dpdk", "dpdk", "capture from this `PORT` of DPDK, from those of the configuration without (builds with the tag dpdk)"},
}

// selection is what the command line says to capture from; live is false when it says nothing of a network.
func (o *options) selection() (s sentinel.Selection, live bool, err error) {
	chosen := ""
	choose := func(option, driver string, names ...string) {
		if chosen != "" && err == nil {
			err = fmt.Errorf("%s and %s exclude each other", chosen, option)
		}
		chosen, s = option, sentinel.Selection{Driver: driver, Names: names}
	}
	if o.pcap != "" {
		chosen = "-r"
	}
	for i, name := range o.selected {
		switch name {
		case "":
		case selectFirst:
			choose("--"+selectors[i].option, selectors[i].driver)
		default:
			choose("--"+selectors[i].option, selectors[i].driver, name)
		}
	}
	if len(o.interfaces) > 0 {
		choose("-i", "af-packet", o.interfaces...)
	}
	if len(o.queues) > 0 {
		choose("-q", "nfq", o.queues...)
	}
	return s, s.Driver != "", err
}
