package afpacket

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/rlimit"
)

//go:generate go run github.com/cilium/ebpf/cmd/bpf2go@v0.22.0 -cc clang -tags linux -go-package afpacket fanout fanout.c -- -O2 -Wall -Werror -I/usr/include/x86_64-linux-gnu

// program is one that was loaded into the kernel.
type program struct {
	all  *ebpf.Collection // what a user's object has besides
	prog *ebpf.Program
}

// Sections that objects of users have their programs in, as in Suricata's guide.
const (
	fanoutSection = "loadbalancer"
	filterSection = "filter"
)

// loadBalancer loads a program for cluster_ebpf: the user's, or ours.
func loadBalancer(file string) (*program, error) {
	if file != "" {
		return loadObject(file, fanoutSection)
	}
	_ = rlimit.RemoveMemlock() // only old kernels count programs there
	var o fanoutObjects
	if err := loadFanoutObjects(&o, nil); err != nil {
		return nil, fmt.Errorf("cannot load the program of cluster_ebpf (it needs the capability CAP_BPF or root): %w", err)
	}
	return &program{prog: o.Loadbalancer}, nil
}

// loadObject loads the program in a section of an object file.
func loadObject(file, section string) (*program, error) {
	spec, err := ebpf.LoadCollectionSpec(file)
	if err != nil {
		return nil, fmt.Errorf("cannot read the eBPF object %s: %w", file, err)
	}
	name := ""
	for n, p := range spec.Programs {
		if p.SectionName != section {
			delete(spec.Programs, n)
			continue
		}
		p.Type, name = ebpf.SocketFilter, n
	}
	if name == "" {
		return nil, fmt.Errorf("the eBPF object %s has no program in a section %q", file, section)
	}
	_ = rlimit.RemoveMemlock()
	all, err := ebpf.NewCollection(spec)
	if err != nil {
		var v *ebpf.VerifierError
		if errors.As(err, &v) {
			return nil, fmt.Errorf("the kernel refuses the program %s of %s: %v", name, file, v)
		}
		return nil, fmt.Errorf("cannot load the program %s of %s (it needs the capability CAP_BPF or root): %w", name, file, err)
	}
	return &program{all: all, prog: all.Programs[name]}, nil
}

func (p *program) fd() int { return p.prog.FD() }

func (p *program) close() {
	switch {
	case p == nil:
	case p.all != nil:
		p.all.Close()
	default:
		_ = p.prog.Close()
	}
}
