package decode

// The IPv4 option types (IANA IP option numbers).
const (
	optEOL    = 0x00
	optNOP    = 0x01
	optRR     = 0x07
	optQS     = 0x19
	optTS     = 0x44
	optSEC    = 0x82
	optLSRR   = 0x83
	optESEC   = 0x85
	optCIPSO  = 0x86
	optSID    = 0x88
	optSSRR   = 0x89
	optRTRALT = 0x94
)

// ipv4Options walks the options of a header and reports whether their lengths hold together. A single bad option is an
// event, and is left out of IPOpts.
func ipv4Options(p *Packet, b []byte) bool {
	if len(b)%8 != 0 {
		p.Events.Set(EvIPv4OptPadRequired)
	}
	for len(b) > 0 {
		switch b[0] {
		case optEOL:
			p.IPOpts |= IPOptEOL
			return true
		case optNOP:
			p.IPOpts |= IPOptNOP
			b = b[1:]
			continue
		}
		if len(b) < 2 {
			p.Events.Set(EvIPv4OptEolRequired)
			return true
		}
		n := int(b[1])
		if n < 2 || n > len(b) {
			optLen(p, false)
			return false
		}
		ipv4Option(p, b[:n])
		b = b[n:]
	}
	return true
}

// ipv4Option checks one option, type and length byte included.
func ipv4Option(p *Packet, o []byte) {
	var bit IPOptSet
	var check func(p *Packet, o []byte) bool
	switch o[0] {
	case optRR:
		bit, check = IPOptRR, optRoute
	case optLSRR:
		bit, check = IPOptLSRR, optRoute
	case optSSRR:
		bit, check = IPOptSSRR, optRoute
	case optTS:
		bit, check = IPOptTS, optTimestamp
	case optCIPSO:
		bit, check = IPOptCIPSO, optCipso
	case optQS: // RFC 4782
		bit, check = IPOptQS, optMin8
	case optSEC: // RFC 1108
		bit, check = IPOptSEC, optMin3
	case optESEC:
		bit, check = IPOptESEC, optMin3
	case optSID:
		bit, check = IPOptSID, optIs4
	case optRTRALT: // RFC 2113
		bit, check = IPOptRTRALT, optIs4
	default:
		// The event of an unknown option has this name in rules.
		p.Events.Set(EvIPv4OptInvalid)
		return
	}
	if p.IPOpts&bit != 0 {
		p.Events.Set(EvIPv4OptDuplicate)
		return
	}
	if check(p, o) {
		p.IPOpts |= bit
	}
}

func optLen(p *Packet, ok bool) bool {
	if !ok {
		if p.Events.Has(EvIPv4OptInvalidLen) {
			p.OptRepeats++ // at most 20: an option has two bytes
		}
		p.invalid(EvIPv4OptInvalidLen)
	}
	return ok
}

func optForm(p *Packet, ok bool) bool {
	if !ok {
		p.invalid(EvIPv4OptMalformed)
	}
	return ok
}

func optMin8(p *Packet, o []byte) bool { return optLen(p, len(o) >= 8) }
func optMin3(p *Packet, o []byte) bool { return optLen(p, len(o) >= 3) }
func optIs4(p *Packet, o []byte) bool  { return optLen(p, len(o) == 4) }

// optRoute checks a route option (RFC 791, 3.1): the pointer counts from 1, steps by an address and may lie just behind
// the option.
func optRoute(p *Packet, o []byte) bool {
	if !optLen(p, len(o) >= 3) {
		return false
	}
	ptr := int(o[2])
	return optForm(p, ptr >= 4 && ptr%4 == 0 && ptr <= len(o)+1)
}

// optTimestamp checks an internet timestamp (RFC 781): flags 1 and 3 give records of address and time.
func optTimestamp(p *Packet, o []byte) bool {
	if !optLen(p, len(o) >= 5) {
		return false
	}
	ptr, rec := int(o[2]), 4
	if f := o[3] & 0x0f; f == 1 || f == 3 {
		rec = 8
	}
	return optForm(p, ptr >= 5 && (ptr-5)%rec == 0 && ptr <= len(o)+1)
}

// optCipso checks a commercial security option (FIPS 188): a domain of interpretation and tags.
func optCipso(p *Packet, o []byte) bool {
	if !optLen(p, len(o) >= 10) {
		return false
	}
	for b := o[6:]; len(b) > 0; {
		if len(b) < 2 {
			return optForm(p, false)
		}
		typ, n := b[0], int(b[1])
		if n > len(b) || n < 4 {
			return optForm(p, false)
		}
		switch typ {
		case 1, 2, 5, 6:
			// The alignment byte is zero.
			if b[2] != 0 {
				return optForm(p, false)
			}
		case 7:
		default:
			return optForm(p, false)
		}
		b = b[n:]
	}
	return true
}
