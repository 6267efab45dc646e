package detect

// NarrowVersion is what l3_proto does to the rule's header: only IPv4, or only IPv6, stays.
func (b *Builder) NarrowVersion(v uint8) error {
	h := &b.c.heads[len(b.c.heads)-1]
	only, other := proto4, proto6
	if v == 6 {
		only, other = proto6, proto4
	}
	if h.kind&other != 0 {
		return problem("Conflicting l3 proto specified")
	}
	h.kind |= only
	return nil
}
