package nfqueue

import (
	"encoding/binary"

	"sentinel/capture"
)

// The kernel's verdicts (include/uapi/linux/netfilter.h). The queue of nfQueue is in the upper half.
const (
	nfDrop   = 0
	nfAccept = 1
	nfQueue  = 3
	nfRepeat = 4
)

// decision is what is told the kernel about a packet.
type decision struct {
	verdict uint32
	mark    uint32
	marked  bool // the mark is to be set
}

// decide turns the engine's verdict into the kernel's, for a packet with a mark.
func (o *Options) decide(v capture.Verdict, mark uint32) decision {
	if v == capture.Drop {
		return decision{verdict: nfDrop}
	}
	d := decision{verdict: nfAccept}
	if v == capture.Bypass && o.BypassMask != 0 {
		d.mark, d.marked = o.BypassMark&o.BypassMask|mark&^o.BypassMask, true
		mark = d.mark
	}
	switch o.Mode {
	case ModeRepeat:
		d.verdict = nfRepeat
		d.mark, d.marked = o.RepeatMark&o.RepeatMask|mark&^o.RepeatMask, true
	case ModeRoute:
		d.verdict = nfQueue | uint32(o.RouteQueue)<<16
	}
	return d
}

// judge is decide for a frame of a packet with a mark, to which rules may have given another one.
func (o *Options) judge(f *capture.Frame, mark uint32) decision {
	if f.MarkMask == 0 || f.Verdict == capture.Drop {
		return o.decide(f.Verdict, mark)
	}
	mark = f.Mark&f.MarkMask | mark&^f.MarkMask
	d := o.decide(f.Verdict, mark)
	if !d.marked {
		d.mark, d.marked = mark, true
	}
	return d
}

// judged reports whether a packet with this mark has been here before.
func (o *Options) judged(mark uint32) bool {
	return o.Mode == ModeRepeat && mark&o.RepeatMask == o.RepeatMark&o.RepeatMask
}

// Room in the buffer of verdicts: what one without a payload takes at most, and one with the longest.
const (
	shortRoom = 64
	longRoom  = shortRoom + 1<<16
	sendSize  = 4 * longRoom
)

// verdicts gathers what is to be sent to the kernel. Packets are added in the order of their identifiers, and no packet of the queue
// with a lower one waits: a verdict for a run of them goes to all up to its last.
type verdicts struct {
	buf   []byte // messages, complete but for the open run
	queue uint16
	limit int // packets of a run
	run   decision
	last  uint32
	count int // packets in the open run, 0 = none is open
}

// add appends a packet without a change of its bytes.
func (v *verdicts) add(id uint32, d decision) {
	if v.count > 0 && (v.run != d || v.count >= v.limit) {
		v.close()
	}
	v.run, v.last = d, id
	v.count++
}

// addPayload appends a packet that is replaced by other bytes, at most 65,535.
func (v *verdicts) addPayload(id uint32, d decision, payload []byte) {
	v.close()
	start := len(v.buf)
	b := v.head(v.buf, typeVerdict, id, d)
	b = attribute(b, attrPayload, len(payload))
	v.buf = finish(append(b, payload...), start)
}

// close ends the open run.
func (v *verdicts) close() {
	if v.count == 0 {
		return
	}
	typ := uint16(typeVerdictBatch)
	if v.count == 1 {
		typ = typeVerdict
	}
	v.count = 0
	start := len(v.buf)
	v.buf = finish(v.head(v.buf, typ, v.last, v.run), start)
}

func (v *verdicts) head(b []byte, typ uint16, id uint32, d decision) []byte {
	b = message(b, typ, 0, v.queue)
	b = attribute(b, attrVerdict, 8)
	b = binary.BigEndian.AppendUint32(b, d.verdict)
	b = binary.BigEndian.AppendUint32(b, id)
	if d.marked {
		b = attribute(b, attrMark, 4)
		b = binary.BigEndian.AppendUint32(b, d.mark)
	}
	return b
}

// full reports whether what is gathered has to be sent before more is added.
func (v *verdicts) full(payload int) bool { return cap(v.buf)-len(v.buf) < 2*shortRoom+payload }
