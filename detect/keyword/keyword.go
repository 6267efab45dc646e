package keyword

import "sentinel/detect"

// All lists the keywords, in the order of the user guide.
func All() []detect.Keyword {
	return concat(
		meta(),
		payload(),
		[]detect.Keyword{
			flow(), flowbits(), flowint(), flowvar(), pktvar(), xbits(), hostbits(), noalert(), alert(), tlsStore(), geoIP(),
			dsize(), TTL(), urilen(), bsize(), absent(),
			frameBuffer(), appLayerProtocol(), appLayerEvent(), appLayerState(), decodeEvent(), streamEvent(), engineEvent(),
			base64Decode(), base64Data(), configKeyword(),
			threshold(), detectionFilter(), ipRep(), datasetKeyword(), datarep(), streamSize(), tag(), bypass(), nfqSetMark(),
			uricontent(), pktData(), rawbytes(), replace(),
		},
		header(),
		files(),
	)
}

func concat(lists ...[]detect.Keyword) []detect.Keyword {
	var out []detect.Keyword
	for _, l := range lists {
		out = append(out, l...)
	}
	return out
}

// problem is an error that is a reason only.
type problem string

func (p problem) Error() string { return string(p) }
