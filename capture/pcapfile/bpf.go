package pcapfile

import (
	"fmt"

	"golang.org/x/net/bpf"

	"sentinel/capture"
)

// BPF makes a filter of a compiled program of the classic Berkeley packet filter, for example one printed by
// tcpdump -dd. It must be compiled for the link type of the file.
func BPF(prog []bpf.RawInstruction) (func(*capture.Frame) bool, error) {
	ins, known := bpf.Disassemble(prog)
	if !known {
		return nil, fmt.Errorf("filter has an instruction that is not known")
	}
	vm, err := bpf.NewVM(ins)
	if err != nil {
		return nil, fmt.Errorf("cannot use filter: %w", err)
	}
	return func(f *capture.Frame) bool {
		n, err := vm.Run(f.Data)
		return err == nil && n > 0
	}, nil
}
