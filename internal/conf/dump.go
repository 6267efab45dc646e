package conf

import (
	"bufio"
	"io"
)

// Dump writes the tree a line a key, "a.b.c = value", as --dump-config shows it. A key without
// a value has "(null)", and a mapping in a list has its first key.
func (t *Tree) Dump(w io.Writer) error {
	b := bufio.NewWriter(w)
	dump(b, t.Root(), nil)
	return b.Flush()
}

func dump(b *bufio.Writer, n *Node, prefix []byte) {
	for _, c := range n.Children() {
		p := append(prefix[:len(prefix):len(prefix)], c.name...)
		b.Write(p)
		b.WriteString(" = ")
		b.WriteString(c.Str("(null)"))
		b.WriteByte('\n')
		dump(b, c, append(p, '.'))
	}
}
