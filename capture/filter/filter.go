package filter

import (
	"fmt"

	"golang.org/x/net/bpf"

	"sentinel/capture"
)

// Program is a filter that was parsed. It is immutable.
type Program struct {
	text  string
	words []token
}

// accept is how much of a frame a program takes: all of it.
const accept = 262144

// Parse reads a filter. An empty text lets every frame pass.
func Parse(text string) (*Program, error) {
	words, err := scan(text)
	if err != nil {
		return nil, err
	}
	p := &Program{text: text, words: words}
	// Offsets depend on the link type, so parsing again is part of compiling; Ethernet has everything.
	if _, err := p.Compile(capture.LinkEthernet); err != nil {
		return nil, err
	}
	return p, nil
}

// Compile makes a program for frames of a link type.
func (p *Program) Compile(link capture.LinkType) ([]bpf.RawInstruction, error) {
	l, ok := layouts[link]
	if !ok {
		return nil, fmt.Errorf("filter %q: cannot filter frames of link type %d", p.text, link)
	}
	return p.compile(l)
}

func (p *Program) compile(l layout) ([]bpf.RawInstruction, error) {
	if len(p.words) == 0 {
		return bpf.Assemble([]bpf.Instruction{bpf.RetConstant{Val: accept}})
	}
	ps := parser{words: p.words, layout: l}
	tree, err := ps.expression(0)
	if err == nil && ps.i < len(ps.words) {
		err = fmt.Errorf("%q does not belong there", ps.words[ps.i].text)
	}
	if err != nil {
		return nil, fmt.Errorf("filter %q: %w", p.text, err)
	}
	return assemble(tree)
}

// Frames returns a function that judges frames of any link type; those whose link type cannot be filtered do not pass, and
// warn is told once of each such type. Only one goroutine may use it.
func (p *Program) Frames(warn func(error)) func(*capture.Frame) bool {
	var link capture.LinkType
	var vm *bpf.VM
	known := false
	machines := map[capture.LinkType]*bpf.VM{}
	return func(f *capture.Frame) bool {
		if !known || f.Link != link {
			link, known = f.Link, true
			m, seen := machines[link]
			if !seen {
				var err error
				if m, err = p.machine(link); err != nil && warn != nil {
					warn(err)
				}
				machines[link] = m
			}
			vm = m
		}
		if vm == nil {
			return false
		}
		n, err := vm.Run(f.Data)
		return err == nil && n > 0
	}
}

func (p *Program) machine(link capture.LinkType) (*bpf.VM, error) {
	raw, err := p.Compile(link)
	if err != nil {
		return nil, err
	}
	ins, _ := bpf.Disassemble(raw)
	return bpf.NewVM(ins)
}

// layout says where a link type's frames have what filters look at.
type layout struct {
	typ     uint32 // offset of the EtherType; noType = the first nibble of the network header tells
	network uint32 // offset of the network header
	macs    bool   // has Ethernet addresses
	taken   bool   // the outer VLAN tag is not in the frame: the kernel has taken it out
}

const noType = ^uint32(0)

var layouts = map[capture.LinkType]layout{
	capture.LinkEthernet: {typ: 12, network: 14, macs: true},
	capture.LinkSLL:      {typ: 14, network: 16},
	capture.LinkSLL2:     {typ: 0, network: 20},
	capture.LinkRaw:      {typ: noType},
	capture.LinkRawBSD:   {typ: noType},
	capture.LinkRawOld:   {typ: noType},
	capture.LinkIPv4:     {typ: noType},
	capture.LinkIPv6:     {typ: noType},
	capture.LinkNull:     {typ: noType, network: 4},
	capture.LinkLoop:     {typ: noType, network: 4},
}

// String returns the filter as it was written.
func (p *Program) String() string { return p.text }
