package filter

import (
	"fmt"

	"golang.org/x/net/bpf"
)

// node is a condition on a frame.
type node interface{}

type (
	and  struct{ a, b node }
	or   struct{ a, b node }
	not  struct{ x node }
	test struct { // the value, masked, compared with val
		load []bpf.Instruction // leaves a value in A
		mask uint32
		cond bpf.JumpTest
		val  uint32
	}
)

// maxProgram is the kernel's limit of instructions.
const maxProgram = 4096

// coder writes a program from its end to its beginning, so that all jumps lead to code whose place is known.
type coder struct{ back []bpf.Instruction }

func (c *coder) put(i bpf.Instruction) int {
	c.back = append(c.back, i)
	return len(c.back) - 1
}

// gen writes the code of a condition, which goes on at the places yes or no, and returns its own place. Places count from
// the program's end.
func (c *coder) gen(n node, yes, no int) int {
	switch n := n.(type) {
	case and:
		return c.gen(n.a, c.gen(n.b, yes, no), no)
	case or:
		return c.gen(n.a, yes, c.gen(n.b, yes, no))
	case not:
		return c.gen(n.x, no, yes)
	case test:
		near := func(to int) int {
			if len(c.back)-to > 250 {
				return c.put(bpf.Jump{Skip: uint32(len(c.back) - to - 1)})
			}
			return to
		}
		yes, no = near(yes), near(no)
		at := len(c.back)
		c.put(bpf.JumpIf{Cond: n.cond, Val: n.val, SkipTrue: uint8(at - yes - 1), SkipFalse: uint8(at - no - 1)})
		if n.mask != ^uint32(0) {
			c.put(bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: n.mask})
		}
		for i := len(n.load) - 1; i >= 0; i-- {
			c.put(n.load[i])
		}
		return len(c.back) - 1
	case always:
		if n {
			return yes
		}
		return no
	}
	panic("filter: unknown node")
}

// always is a condition that is known beforehand.
type always bool

// assemble makes the program of a condition.
func assemble(tree node) ([]bpf.RawInstruction, error) {
	c := &coder{}
	no := c.put(bpf.RetConstant{Val: 0})
	yes := c.put(bpf.RetConstant{Val: accept})
	start := c.gen(tree, yes, no)
	if start != len(c.back)-1 {
		c.put(bpf.Jump{Skip: uint32(len(c.back) - start - 1)})
	}
	if len(c.back) > maxProgram {
		return nil, fmt.Errorf("the filter is too long: %d instructions, of which the kernel takes %d", len(c.back), maxProgram)
	}
	prog := make([]bpf.Instruction, len(c.back))
	for i, ins := range c.back {
		prog[len(prog)-1-i] = ins
	}
	return bpf.Assemble(prog)
}

func all(list ...node) node {
	n := list[0]
	for _, x := range list[1:] {
		n = and{n, x}
	}
	return n
}

func any(list ...node) node {
	n := list[0]
	for _, x := range list[1:] {
		n = or{n, x}
	}
	return n
}

func abs(off uint32, size int) []bpf.Instruction {
	return []bpf.Instruction{bpf.LoadAbsolute{Off: off, Size: size}}
}

func equal(load []bpf.Instruction, v uint32) node { return masked(load, ^uint32(0), v) }

func masked(load []bpf.Instruction, mask, v uint32) node {
	return test{load: load, mask: mask, cond: bpf.JumpEqual, val: v}
}
