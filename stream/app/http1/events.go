package http1

// The events of HTTP/1, in the order of the table of names below.
const (
	evUnknownError uint8 = iota
	evGzipDecompressionFailed
	evRequestFieldMissingColon
	evResponseFieldMissingColon
	evInvalidRequestChunkLen
	evInvalidResponseChunkLen
	evInvalidTransferEncodingValueInRequest
	evInvalidTransferEncodingValueInResponse
	evInvalidContentLengthFieldInRequest
	evInvalidContentLengthFieldInResponse
	evDuplicateContentLengthFieldInRequest
	evDuplicateContentLengthFieldInResponse
	ev100ContinueAlreadySeen
	evUnableToMatchResponseToRequest
	evInvalidServerPortInRequest
	evInvalidAuthorityPort
	evRequestHeaderInvalid
	evResponseHeaderInvalid
	evMissingHostHeader
	evHostHeaderAmbiguous
	evInvalidRequestFieldFolding
	evInvalidResponseFieldFolding
	evRequestFieldTooLong
	evResponseFieldTooLong
	evRequestLineInvalid
	evRequestBodyUnexpected
	evResponseBodyUnexpected
	evRequestServerPortTcpPortMismatch
	evRequestUriHostInvalid
	evRequestHeaderHostInvalid
	evRequestAuthUnrecognized
	evRequestHeaderRepetition
	evResponseHeaderRepetition
	evDoubleEncodedUri
	evUriDelimNonCompliant
	evMethodDelimNonCompliant
	evRequestLineLeadingWhitespace
	evTooManyEncodingLayers
	evRequestTooManyLzmaLayers
	evResponseTooManyLzmaLayers
	evAbnormalCeHeader
	evResponseMultipartByteranges
	evResponseAbnormalTransferEncoding
	evResponseChunkedOldProto
	evResponseInvalidProtocol
	evResponseInvalidStatus
	evRequestLineIncomplete
	evProtocolContainsExtraData
	evContentLengthExtraDataStart
	evContentLengthExtraDataEnd
	evSwitchingProtoWithContentLength
	evDeformedEol
	evParserStateError
	evMissingOutboundTransactionData
	evMissingInboundTransactionData
	evZeroLengthDataChunks
	evRequestLineUnknownMethod
	evRequestLineUnknownMethodNoProtocol
	evRequestLineUnknownMethodInvalidProtocol
	evRequestLineMissingProtocol
	evResponseLineInvalidProtocol
	evResponseLineInvalidResponseStatus
	evResponseBodyInternalError
	evRequestBodyDataCallbackError
	evResponseInvalidEmptyName
	evRequestInvalidEmptyName
	evResponseInvalidLwsAfterName
	evResponseHeaderNameNotToken
	evRequestInvalidLwsAfterName
	evLzmaDecompressionDisabled
	evConnectionAlreadyOpen
	evCompressionBombDoubleLzma
	evInvalidContentEncoding
	evInvalidGap
	evRequestChunkExtension
	evResponseChunkExtension
	evLzmaMemlimitReached
	evCompressionBomb
	evCompressionBombLimitReached
	evRequestTooManyHeaders
	evResponseTooManyHeaders
	evMultipartGenericError
	evMultipartNoFiledata
	evMultipartInvalidHeader
	evTooManyWarnings
	evRangeInvalid
	evFileNameTooLong
	evFailedProtocolChange
)

// events names them for rules: app-layer-event:http.NAME.
var events = []string{
	evUnknownError:                            "unknown_error",
	evGzipDecompressionFailed:                 "gzip_decompression_failed",
	evRequestFieldMissingColon:                "request_field_missing_colon",
	evResponseFieldMissingColon:               "response_field_missing_colon",
	evInvalidRequestChunkLen:                  "invalid_request_chunk_len",
	evInvalidResponseChunkLen:                 "invalid_response_chunk_len",
	evInvalidTransferEncodingValueInRequest:   "invalid_transfer_encoding_value_in_request",
	evInvalidTransferEncodingValueInResponse:  "invalid_transfer_encoding_value_in_response",
	evInvalidContentLengthFieldInRequest:      "invalid_content_length_field_in_request",
	evInvalidContentLengthFieldInResponse:     "invalid_content_length_field_in_response",
	evDuplicateContentLengthFieldInRequest:    "duplicate_content_length_field_in_request",
	evDuplicateContentLengthFieldInResponse:   "duplicate_content_length_field_in_response",
	ev100ContinueAlreadySeen:                  "100_continue_already_seen",
	evUnableToMatchResponseToRequest:          "unable_to_match_response_to_request",
	evInvalidServerPortInRequest:              "invalid_server_port_in_request",
	evInvalidAuthorityPort:                    "invalid_authority_port",
	evRequestHeaderInvalid:                    "request_header_invalid",
	evResponseHeaderInvalid:                   "response_header_invalid",
	evMissingHostHeader:                       "missing_host_header",
	evHostHeaderAmbiguous:                     "host_header_ambiguous",
	evInvalidRequestFieldFolding:              "invalid_request_field_folding",
	evInvalidResponseFieldFolding:             "invalid_response_field_folding",
	evRequestFieldTooLong:                     "request_field_too_long",
	evResponseFieldTooLong:                    "response_field_too_long",
	evRequestLineInvalid:                      "request_line_invalid",
	evRequestBodyUnexpected:                   "request_body_unexpected",
	evResponseBodyUnexpected:                  "response_body_unexpected",
	evRequestServerPortTcpPortMismatch:        "request_server_port_tcp_port_mismatch",
	evRequestUriHostInvalid:                   "request_uri_host_invalid",
	evRequestHeaderHostInvalid:                "request_header_host_invalid",
	evRequestAuthUnrecognized:                 "request_auth_unrecognized",
	evRequestHeaderRepetition:                 "request_header_repetition",
	evResponseHeaderRepetition:                "response_header_repetition",
	evDoubleEncodedUri:                        "double_encoded_uri",
	evUriDelimNonCompliant:                    "uri_delim_non_compliant",
	evMethodDelimNonCompliant:                 "method_delim_non_compliant",
	evRequestLineLeadingWhitespace:            "request_line_leading_whitespace",
	evTooManyEncodingLayers:                   "too_many_encoding_layers",
	evRequestTooManyLzmaLayers:                "request_too_many_lzma_layers",
	evResponseTooManyLzmaLayers:               "response_too_many_lzma_layers",
	evAbnormalCeHeader:                        "abnormal_ce_header",
	evResponseMultipartByteranges:             "response_multipart_byteranges",
	evResponseAbnormalTransferEncoding:        "response_abnormal_transfer_encoding",
	evResponseChunkedOldProto:                 "response_chunked_old_proto",
	evResponseInvalidProtocol:                 "response_invalid_protocol",
	evResponseInvalidStatus:                   "response_invalid_status",
	evRequestLineIncomplete:                   "request_line_incomplete",
	evProtocolContainsExtraData:               "protocol_contains_extra_data",
	evContentLengthExtraDataStart:             "content_length_extra_data_start",
	evContentLengthExtraDataEnd:               "content_length_extra_data_end",
	evSwitchingProtoWithContentLength:         "switching_proto_with_content_length",
	evDeformedEol:                             "deformed_eol",
	evParserStateError:                        "parser_state_error",
	evMissingOutboundTransactionData:          "missing_outbound_transaction_data",
	evMissingInboundTransactionData:           "missing_inbound_transaction_data",
	evZeroLengthDataChunks:                    "zero_length_data_chunks",
	evRequestLineUnknownMethod:                "request_line_unknown_method",
	evRequestLineUnknownMethodNoProtocol:      "request_line_unknown_method_no_protocol",
	evRequestLineUnknownMethodInvalidProtocol: "request_line_unknown_method_invalid_protocol",
	evRequestLineMissingProtocol:              "request_line_missing_protocol",
	evResponseLineInvalidProtocol:             "response_line_invalid_protocol",
	evResponseLineInvalidResponseStatus:       "response_line_invalid_response_status",
	evResponseBodyInternalError:               "response_body_internal_error",
	evRequestBodyDataCallbackError:            "request_body_data_callback_error",
	evResponseInvalidEmptyName:                "response_invalid_empty_name",
	evRequestInvalidEmptyName:                 "request_invalid_empty_name",
	evResponseInvalidLwsAfterName:             "response_invalid_lws_after_name",
	evResponseHeaderNameNotToken:              "response_header_name_not_token",
	evRequestInvalidLwsAfterName:              "request_invalid_lws_after_name",
	evLzmaDecompressionDisabled:               "lzma_decompression_disabled",
	evConnectionAlreadyOpen:                   "connection_already_open",
	evCompressionBombDoubleLzma:               "compression_bomb_double_lzma",
	evInvalidContentEncoding:                  "invalid_content_encoding",
	evInvalidGap:                              "invalid_gap",
	evRequestChunkExtension:                   "request_chunk_extension",
	evResponseChunkExtension:                  "response_chunk_extension",
	evLzmaMemlimitReached:                     "lzma_memlimit_reached",
	evCompressionBomb:                         "compression_bomb",
	evCompressionBombLimitReached:             "compression_bomb_limit_reached",
	evRequestTooManyHeaders:                   "request_too_many_headers",
	evResponseTooManyHeaders:                  "response_too_many_headers",
	evMultipartGenericError:                   "multipart_generic_error",
	evMultipartNoFiledata:                     "multipart_no_filedata",
	evMultipartInvalidHeader:                  "multipart_invalid_header",
	evTooManyWarnings:                         "too_many_warnings",
	evRangeInvalid:                            "range_invalid",
	evFileNameTooLong:                         "file_name_too_long",
	evFailedProtocolChange:                    "failed_protocol_change",
}
