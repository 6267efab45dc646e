package keyword

import (
	"sentinel/detect"
	"sentinel/detect/chain"
	"sentinel/detect/pcre"
)

// pcreBuffers are the buffers that modifiers of an expression name.
var pcreBuffers = map[byte]string{
	'U': "http.uri", 'I': "http.uri.raw", 'P': "http.request_body", 'Q': "file.data", 'H': "http.header",
	'D': "http.header.raw", 'M': "http.method", 'C': "http.cookie", 'S': "http.stat_code", 'Y': "http.stat_msg",
	'V': "http.user_agent", 'W': "http.host", 'Z': "http.host.raw",
}

func pcreKeyword(b *detect.Builder, v string) error {
	s, err := pcre.ParseSuricata(v)
	if err != nil {
		return err
	}
	re, err := s.Compile()
	if err != nil {
		return err
	}
	e := &chain.Pcre{Re: re, Negated: b.Negated || s.Negated, Relative: s.Relative, Captures: s.Captures}
	for _, c := range s.Captures {
		switch c.Scope {
		case pcre.FlowVar:
			b.Order(detect.OrderFlowvar, false, !b.Sticky())
		case pcre.PktVar:
			b.Order(detect.OrderPktvar, false, !b.Sticky())
		}
	}
	if s.Buffer == 0 {
		return b.Elem(e)
	}
	if b.Sticky() {
		if want := pcreBuffers[s.Buffer]; !b.Selected(want) && !(s.Buffer == 'Q' && b.Selected("http.response_body")) {
			return problem("Expression seen with a sticky buffer still set; either (1) reset sticky buffer with pkt_data or (2) use a sticky buffer providing \"" + want + "\".")
		}
		return b.Elem(e)
	}
	return b.ElemIn(pcreBuffers[s.Buffer], e)
}
