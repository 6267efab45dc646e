package analysis

import (
	"fmt"
	"strings"
	"time"

	"sentinel/detect"
)

const ruler = "-------------------------------------------------------------------\n"

func heading(b *strings.Builder, t time.Time) {
	b.WriteString(ruler)
	fmt.Fprintf(b, "Date: %d/%d/%04d -- %02d:%02d:%02d\n", t.Day(), t.Month(), t.Year(), t.Hour(), t.Minute(), t.Second())
	b.WriteString(ruler)
}

func title(b *strings.Builder, d *detect.Description) {
	fmt.Fprintf(b, "== Sid: %d ==\n%s\n", d.Meta.SID, d.Meta.Raw)
}

// refused lists the rules that could not be used.
func refused(b *strings.Builder, o *Options) {
	for _, r := range o.Refused {
		if r.Raw == "" {
			continue
		}
		fmt.Fprintf(b, "== Sid: UNKNOWN ==\n%s\n    FAILURE: invalid rule.\n    File: %s.\n    Line: %d.\n\n", r.Raw, r.File, r.Line)
	}
}

// fastText is rules_fast_pattern.txt: by which pattern each rule is found.
func fastText(list []*detect.Description, o *Options) []byte {
	var b strings.Builder
	heading(&b, o.Now)
	var sum summary
	for _, d := range list {
		title(&b, d)
		b.WriteString("    Fast Pattern analysis:\n")
		switch {
		case d.PrefilterOn != "":
			fmt.Fprintf(&b, "        Prefilter on: %s\n", d.PrefilterOn)
		case d.Fast == nil:
			b.WriteString("        No content present\n")
		default:
			fastOf(&b, d)
			sum.add(d.FastBuffer, len(finalOf(d.Fast.Content)))
		}
		b.WriteByte('\n')
	}
	refused(&b, o)
	sum.write(&b)
	return []byte(b.String())
}

func yes(x bool) string {
	if x {
		return "yes"
	}
	return "no"
}

func fastOf(b *strings.Builder, d *detect.Description) {
	k := d.Fast.Content
	place := "content"
	if d.FastBuffer != "" {
		place = titleOf(d.FastBuffer)
	}
	fmt.Fprintf(b, "        Fast pattern matcher: %s\n        Flags:", place)
	any := false
	_, depth := depthOf(k)
	for _, f := range [...]flag{
		{k.HasOffset, "Offset"}, {depth, "Depth"}, {k.HasWithin, "Within"}, {k.HasDistance, "Distance"}, {k.Nocase, "Nocase"}, {k.Negated, "Negated"},
	} {
		if f.on {
			b.WriteString(" " + f.word)
			any = true
		}
	}
	if !any {
		b.WriteString(" None")
	}
	fmt.Fprintf(b, "\n        Fast pattern set: %s\n        Fast pattern only set: %s\n        Fast pattern chop set: %s\n", yes(k.Fast), yes(k.FastOnly), yes(k.Chop))
	if k.Chop {
		fmt.Fprintf(b, "        Fast pattern offset, length: %d, %d\n", k.ChopOffset, k.ChopLen)
	}
	fmt.Fprintf(b, "        Original content: %s\n        Final content: %s\n", textForm(k.Pattern()), textForm(finalOf(k)))
}

// summary counts fast patterns by buffer.
type summary struct {
	order []string
	by    map[string]*lengths
}

type lengths struct{ low, high, count, total int }

func (s *summary) add(buffer string, n int) {
	if s.by == nil {
		s.by = map[string]*lengths{}
	}
	l := s.by[buffer]
	if l == nil {
		l = &lengths{low: n}
		s.by[buffer] = l
		s.order = append(s.order, buffer)
	}
	l.low, l.high = min(l.low, n), max(l.high, n)
	l.count++
	l.total += n
}

func (s *summary) write(b *strings.Builder) {
	b.WriteString("============\nSummary:\n============\n")
	for _, name := range s.order {
		l := s.by[name]
		shown := "packet/stream payload"
		if name != "" {
			shown = titleOf(name)
		}
		fmt.Fprintf(b, "%s, smallest pattern %d byte(s), longest pattern %d byte(s), number of patterns %d, avg pattern len %.2f byte(s)\n",
			shown, l.low, l.high, l.count, float64(l.total)/float64(l.count))
	}
}

// rulesText is rules_analysis.txt: what each rule looks at, and what may be wrong with it.
func rulesText(list []*detect.Description, o *Options) []byte {
	var b strings.Builder
	heading(&b, o.Now)
	for _, d := range list {
		c := count(d)
		warnings := c.warnings(d, o)
		if o.WarningsOnly && len(warnings) == 0 {
			continue
		}
		title(&b, d)
		c.facts(&b, d)
		for _, w := range warnings {
			b.WriteString("    Warning: " + w + "\n")
		}
		if len(warnings) == 0 {
			b.WriteString("    No warnings for this rule.\n")
		}
		b.WriteByte('\n')
	}
	if !o.FastPattern {
		refused(&b, o)
	}
	return []byte(b.String())
}

// tally is what warnings are decided by.
type tally struct {
	content, pcre       int // on payload, and on what base64_decode decoded
	webContent, webPcre int // on buffers of HTTP
	placed              int // contents on the payload with offset or depth
	encoded             int
	bits, ints          int
	web                 [len(webBuffers)]bool
}

func count(d *detect.Description) (t tally) {
	each := func(list []detect.Condition, web int) {
		for i := range list {
			c := &list[i]
			switch {
			case c.Content != nil && web >= 0:
				t.webContent++
				t.web[web] = true
				if webBuffers[web].encoded && encoded(c.Content.Data) {
					t.encoded++
				}
			case c.Content != nil:
				t.content++
			case c.Name == "pcre" && web >= 0:
				t.webPcre++
				t.web[web] = true
			case c.Name == "pcre":
				t.pcre++
			}
		}
	}
	each(d.Payload, -1)
	for i := range d.Payload {
		if k := d.Payload[i].Content; k != nil && (k.HasOffset || k.HasDepth || k.StartsWith) {
			t.placed++
		}
	}
	for i := range d.Buffers {
		if w := webOf(d.Buffers[i].Name); w >= 0 {
			each(d.Buffers[i].Conditions, w)
		}
	}
	for _, l := range d.Lists {
		switch l.Name {
		case "base64_data":
			each(l.Conditions, -1)
		case "packet":
			for i := range l.Conditions {
				switch l.Conditions[i].Name {
				case "flowbits":
					t.bits++
				case "flowint":
					t.ints++
				}
			}
		}
	}
	return t
}

var typeTexts = map[detect.Type]string{
	detect.TypeIPOnly: "ip only", detect.TypeLikeIPOnly: "like ip only", detect.TypePDOnly: "PD only", detect.TypeDEOnly: "DE only",
	detect.TypePacket: "packet inspecting", detect.TypePacketStream: "packet and stream inspecting", detect.TypeStream: "stream inspecting",
	detect.TypeAppLayer: "app-layer inspecting", detect.TypeAppTx: "App-layer TX inspecting",
}

func (t *tally) facts(b *strings.Builder, d *detect.Description) {
	if s := typeTexts[d.Type]; s != "" {
		fmt.Fprintf(b, "    Rule is %s.\n", s)
	}
	if d.IPv6 {
		b.WriteString("    Rule is IPv6 only.\n")
	}
	if d.IPv4 {
		b.WriteString("    Rule is IPv4 only.\n")
	}
	if d.Packet {
		b.WriteString("    Rule matches on packets.\n")
	}
	if !d.NoStream && d.Stream && (d.HasFlow || t.bits+t.ints+t.content+t.pcre > 0) {
		b.WriteString("    Rule matches on reassembled stream.\n")
	}
	for i, on := range t.web {
		if on {
			fmt.Fprintf(b, "    Rule matches on %s buffer.\n", webBuffers[i].shown)
		}
	}
	if d.App != "unknown" {
		fmt.Fprintf(b, "    App layer protocol is %s.\n", d.App)
	}
	if t.content+t.webContent+t.pcre+t.webPcre > 0 {
		fmt.Fprintf(b, "    Rule contains %d content options, %d http content options, %d pcre options, and %d pcre options with http modifiers.\n",
			t.content, t.webContent, t.pcre, t.webPcre)
	}
	switch {
	case d.PrefilterOn != "":
		fmt.Fprintf(b, "    Prefilter on: %s.\n", d.PrefilterOn)
	case d.Fast != nil:
		place := titleOf(d.FastBuffer)
		switch {
		case d.FastBuffer != "":
		case d.Packet && d.Stream:
			place = "payload and reassembled stream"
		case d.Stream:
			place = "reassembled stream"
		}
		fmt.Fprintf(b, "    Fast Pattern \"%s\" on \"%s\" ", textForm(finalOf(d.Fast.Content)), place)
		if d.FastTransforms > 0 {
			fmt.Fprintf(b, "(with %d transform(s)) ", d.FastTransforms)
		}
		b.WriteString("buffer.\n")
	}
}

const (
	protoICMP, protoTCP, protoUDP, protoICMPv6 = 1, 6, 17, 58
)

// warnings are what may be wrong with a rule, or slow.
func (t *tally) warnings(d *detect.Description, o *Options) []string {
	var out []string
	warn := func(on bool, lines ...string) {
		if on {
			out = append(out, strings.Join(lines, "\n             -"))
		}
	}
	http := d.App == "http"
	ts, tc := d.ToServer && !d.ToClient, d.ToClient && !d.ToServer
	method, body := t.web[webOf("http.method")], t.web[webOf("file.data")]
	warn(t.pcre > 0 && t.content == 0 && t.webContent == 0, "Rule uses pcre without a content option present.",
		"Consider adding a content to improve performance of this rule.")
	if t.webContent > 0 && t.pcre > 0 && t.webPcre == 0 {
		warn(true, "Rule uses content options with http_* and pcre options without http modifiers.", "Consider adding http pcre modifier.")
	} else {
		warn(http && t.pcre > 0 && t.webPcre == 0, "Rule app layer protocol is http, but pcre options do not have http modifiers.",
			"Consider adding http pcre modifiers.")
	}
	warn(t.content > 0 && t.webContent > 0, "Rule contains content with http_* and content without http_*.", "Consider adding http content modifiers.")
	warn(http && t.content > 0 && t.webContent == 0, "Rule app layer protocol is http, but content options do not have http_* modifiers.",
		"Consider adding http content modifiers.")
	warn(t.encoded > 0, "Rule may contain percent encoded content for a normalized http buffer match.")
	warn(!d.HasFlow && !d.TCPFlags && !d.AnyProtocol && d.Protocol(protoTCP) && t.content+t.pcre+t.bits+t.ints > 0,
		"TCP rule without a flow or flags option.", "Consider adding flow or flags to improve performance of this rule.")
	sp, dp := d.SrcPorts != nil, d.DstPorts != nil
	warn(d.HasFlow && !d.Bidirectional && (ts && sp && !dp || tc && dp && !sp),
		"Rule contains ports or port variables only on the client side.", "Flow direction possibly inconsistent with rule.")
	warn(d.HasFlow && d.Bidirectional && (ts || tc), "Rule is bidirectional and has a flow option with a specific direction.")
	warn(method && d.HasFlow && tc, "Rule uses content or pcre for http_method with flow:to_client or from_server")
	warn(method && body, "Rule uses content or pcre for http_method with content or pcre for http_server_body.")
	warn(method && t.content+t.webContent == 0 && t.pcre+t.webPcre > 0, "Rule uses pcre with only a http_method content; possible performance issue.")
	warn(t.placed > 0 && d.Stream && d.Packet, "Rule has depth/offset with raw content keywords.  Please note the offset/depth will be checked against both packet "+
		"payloads and stream.  If you meant to have the offset/depth checked against just the payload, you can update the signature as \"alert tcp-pkt...\"")
	warn(t.placed > 0 && !d.Stream && d.Packet && d.App != "unknown", "Rule has offset/depth set along with a match on a specific app layer protocol - "+d.App+
		".  This can lead to FNs if we have a offset/depth content match on a packet payload before we can detect the app layer protocol for the flow.")
	warn(d.Fast != nil && http && d.FastBuffer == "", "Rule app layer protocol is http, but the fast_pattern is set on the raw stream.  "+
		"Consider adding fast_pattern over a http buffer for increased performance.")
	warn(!d.ToServer && !d.ToClient, "Rule has no direction indicator.")
	warn(d.ToServer && d.ToClient && !(d.Protocol(protoICMP) && d.Protocol(protoICMPv6)), "Rule is inspecting both the request and the response.")
	warn(d.Filestore && !o.FileStore, "Rule requires file-store but the output file-store is not enabled.")
	return out
}
