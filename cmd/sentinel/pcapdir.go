package main

import (
	"errors"
	"time"

	"sentinel/capture/pcapfile"
	"sentinel/internal/conf"
)

// directory sets how a folder of captures is read: what the command line says, else the section pcap-file.
func (o *options) directory(root *conf.Node, p *pcapfile.Options) error {
	section := root.Get("pcap-file")
	p.Recursive = o.recursive || section.Get("recursive").IsTrue()
	p.Continuous = o.continuous || section.Get("continuous").IsTrue()
	seconds := func(key string, def int64) (time.Duration, error) {
		n := section.Get(key)
		if v, _ := n.Value(); v == "" {
			return time.Duration(def) * time.Second, nil
		}
		v, err := n.IntIn(def, 1, 1<<32-2)
		return time.Duration(v) * time.Second, err
	}
	var err1, err2 error
	p.Delay, err1 = seconds("delay", 30)
	p.Poll, err2 = seconds("poll-interval", 5)
	return errors.Join(err1, err2)
}
