package eve

import (
	"strconv"
	"time"

	"sentinel/detect"
	"sentinel/internal/conf"
	"sentinel/internal/jsonw"
	"sentinel/stream"
)

// fastLogger writes fast.log.
type fastLogger struct {
	lane     int
	compress bool
}

func (o *Output) addFast(n *conf.Node) error {
	i, err := o.addLane(n, "fast.log")
	if err != nil {
		return err
	}
	o.fast = append(o.fast, fastLogger{lane: i, compress: n.Get("ipv6-compress").IsTrue()})
	return nil
}

// fastTime remembers how the last second is spelled.
type fastTime struct {
	sec  int64
	text []byte
}

func (t *fastTime) append(dst []byte, ns int64) []byte {
	sec, frac := ns/1e9, ns%1e9
	if frac < 0 {
		sec--
		frac += 1e9
	}
	if len(t.text) == 0 || sec != t.sec {
		t.sec, t.text = sec, time.Unix(sec, 0).AppendFormat(t.text[:0], "01/02/2006-15:04:05.")
	}
	dst = append(dst, t.text...)
	for us, unit := frac/1000, int64(100000); unit > 0; unit /= 10 {
		dst = append(dst, byte('0'+us/unit%10))
	}
	return dst
}

// rawBytes is how much of a packet without addresses is shown.
const rawBytes = 32

// fast writes an alert in one short line.
func (w *Worker) fast(u *stream.Unit, a *detect.Alert) {
	r, p := a.Rule, u.Packet
	for k := range w.o.fast {
		l := &w.o.fast[k]
		b := w.fastAt.append(w.line[:0], p.Time)
		b = append(b, "  "...)
		switch {
		case a.Action.Drops() && w.o.opt.IPS:
			b = append(b, "[Drop] "...)
		case a.Action.Drops():
			b = append(b, "[wDrop] "...)
		}
		b = append(b, "[**] ["...)
		b = strconv.AppendUint(b, uint64(r.GID), 10)
		b = append(b, ':')
		b = strconv.AppendUint(b, uint64(r.SID), 10)
		b = append(b, ':')
		b = strconv.AppendUint(b, uint64(r.Rev), 10)
		b = append(b, "] "...)
		b = append(b, orNull(r.Msg)...)
		b = append(b, " [**] [Classification: "...)
		b = append(b, orNull(r.ClassText)...)
		b = append(b, "] [Priority: "...)
		b = strconv.AppendUint(b, uint64(r.Priority), 10)
		if !p.IsIP() {
			b = append(b, "] [**] [Raw pkt: "...)
			const hex = "0123456789ABCDEF"
			for _, c := range p.Data[:min(len(p.Data), rawBytes)] {
				b = append(b, hex[c>>4], hex[c&15], ' ')
			}
			if u.Count != 0 && p.Root() == nil {
				b = append(b, "] [pcap file packet: "...)
				b = strconv.AppendUint(b, u.Count, 10)
			}
			b = append(b, "]\n"...)
		} else {
			b = append(b, "] {"...)
			if name := ipProtocols[p.Proto]; name != "" {
				b = append(b, name...)
			} else {
				b = append(b, "PROTO:"...)
				b = append(b, '0'+p.Proto/100, '0'+p.Proto/10%10, '0'+p.Proto%10)
			}
			b = append(b, "} "...)
			sp, dp := p.SrcPort, p.DstPort
			if p.Proto == protoICMP || p.Proto == protoICMPv6 {
				sp, dp = uint16(p.ICMPType), uint16(p.ICMPCode)
			}
			b = jsonw.AppendIP(b, addrBytes(&p.Src, p.IPVersion), l.compress)
			b = append(b, ':')
			b = strconv.AppendUint(b, uint64(sp), 10)
			b = append(b, " -> "...)
			b = jsonw.AppendIP(b, addrBytes(&p.Dst, p.IPVersion), l.compress)
			b = append(b, ':')
			b = strconv.AppendUint(b, uint64(dp), 10)
			b = append(b, '\n')
		}
		w.line = b
		w.queue(l.lane, b)
	}
}

// orNull spells what a rule does not have.
func orNull(s string) string {
	if s == "" {
		return "(null)"
	}
	return s
}
