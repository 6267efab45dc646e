package main

import (
	"os"
	"strings"

	"sentinel"
	"sentinel/internal/conf"
)

// deleter removes capture files that were read to the end, where --pcap-file-delete or pcap-file.delete-when-done ask for it.
type deleter struct {
	on      bool
	alerted bool     // only the files of a run without alerts: flows outlive a file, so that nobody knows sooner
	names   []string // that wait for the end of the run
	warn    func(string)
}

func newDeleter(o *options, root *conf.Node, warn func(string)) *deleter {
	d := &deleter{on: o.pcapDelete, warn: warn}
	n := root.Get("pcap-file.delete-when-done")
	if strings.EqualFold(n.Str(""), "non-alerts") {
		d.on, d.alerted = true, !o.pcapDelete
	} else if n.IsTrue() {
		d.on = true
	}
	return d
}

// done is told of each file whose packets have all been judged.
func (d *deleter) done(name string) {
	switch {
	case !d.on || name == "-":
	case d.alerted:
		d.names = append(d.names, name)
	default:
		d.remove(name)
	}
}

// finish is told how the run went.
func (d *deleter) finish(sum *sentinel.Summary) {
	if len(sum.Rules) > 0 {
		return
	}
	for _, name := range d.names {
		d.remove(name)
	}
	d.names = nil
}

func (d *deleter) remove(name string) {
	if err := os.Remove(name); err != nil {
		d.warn("cannot delete the capture file: " + err.Error())
	}
}
