package http2

// The events of HTTP/2.
const (
	evInvalidFrameHeader uint8 = iota
	evInvalidClientMagic
	evInvalidFrameData
	evInvalidHeader
	evInvalidFrameLength
	evExtraHeaderData
	evLongFrameData
	evStreamIdReuse
	evInvalidHttp1Settings
	evFailedDecompression
	evInvalidRange
	evHeaderIntegerOverflow
	evTooManyStreams
	evAuthorityHostMismatch
	evUserinfoInUri
	evReassemblyLimitReached
	evDnsRequestTooLong
	evDnsResponseTooLong
	evDataStreamZero
	evTooManyFrames
	evCompressionBomb
)

// events names them for rules: app-layer-event:http2.NAME.
var events = []string{
	evInvalidFrameHeader:     "invalid_frame_header",
	evInvalidClientMagic:     "invalid_client_magic",
	evInvalidFrameData:       "invalid_frame_data",
	evInvalidHeader:          "invalid_header",
	evInvalidFrameLength:     "invalid_frame_length",
	evExtraHeaderData:        "extra_header_data",
	evLongFrameData:          "long_frame_data",
	evStreamIdReuse:          "stream_id_reuse",
	evInvalidHttp1Settings:   "invalid_http1_settings",
	evFailedDecompression:    "failed_decompression",
	evInvalidRange:           "invalid_range",
	evHeaderIntegerOverflow:  "header_integer_overflow",
	evTooManyStreams:         "too_many_streams",
	evAuthorityHostMismatch:  "authority_host_mismatch",
	evUserinfoInUri:          "userinfo_in_uri",
	evReassemblyLimitReached: "reassembly_limit_reached",
	evDnsRequestTooLong:      "dns_request_too_long",
	evDnsResponseTooLong:     "dns_response_too_long",
	evDataStreamZero:         "data_stream_zero",
	evTooManyFrames:          "too_many_frames",
	evCompressionBomb:        "compression_bomb",
}
