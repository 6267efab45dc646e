package http2

import "encoding/binary"

// Frame types (RFC 9113, 6).
const (
	frameData uint8 = iota
	frameHeaders
	framePriority
	frameReset
	frameSettings
	framePush
	framePing
	frameGoAway
	frameWindow
	frameContinuation
)

// Flags of frames.
const (
	flagEndStream  = 0x01
	flagEndHeaders = 0x04
	flagPadded     = 0x08
	flagPriority   = 0x20
)

const (
	headerSize = 9
	magic      = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	// maxWait is the frame size from which on a frame is not waited for; a frame of that size is judged by its first minPart
	// bytes.
	maxWait = 65536
	minPart = 256
)

// frameHeader is the header of every frame.
type frameHeader struct {
	length   uint32
	kind     uint8
	flags    uint8
	reserved bool
	stream   uint32
}

func parseHeader(b []byte) (h frameHeader, ok bool) {
	if len(b) < headerSize {
		return h, false
	}
	s := binary.BigEndian.Uint32(b[5:])
	return frameHeader{
		length: uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2]), kind: b[3], flags: b[4],
		reserved: s>>31 != 0, stream: s & 0x7fffffff,
	}, true
}

// Marks of a frame.
const (
	hasCode uint8 = 1 << iota
	hasPriority
	hasWindow
	hasBlocks
	hasSettings
	isContinued // its fields come with a later frame
	isBroken    // its content made no sense
)

// frame is what is kept of a frame.
type frame struct {
	kind     uint8
	marks    uint8
	weight   uint8  // of a priority
	value    uint32 // error code, or window increment
	from, to uint32 // its blocks, or its settings
}

// setting is one parameter (RFC 9113, 6.5.2).
type setting struct {
	id    uint16
	value uint32
}

const settingTableSize = 1

// settingNames are the known parameters: name in rules, and in EVE.
var settingNames = [...][2]string{
	1: {"SETTINGS_HEADER_TABLE_SIZE", "SETTINGSHEADERTABLESIZE"},
	2: {"SETTINGS_ENABLE_PUSH", "SETTINGSENABLEPUSH"},
	3: {"SETTINGS_MAX_CONCURRENT_STREAMS", "SETTINGSMAXCONCURRENTSTREAMS"},
	4: {"SETTINGS_INITIAL_WINDOW_SIZE", "SETTINGSINITIALWINDOWSIZE"},
	5: {"SETTINGS_MAX_FRAME_SIZE", "SETTINGSMAXFRAMESIZE"},
	6: {"SETTINGS_MAX_HEADER_LIST_SIZE", "SETTINGSMAXHEADERLISTSIZE"},
	8: {"SETTINGS_ENABLE_CONNECT_PROTOCOL", "SETTINGSENABLECONNECTPROTOCOL"},
	9: {"SETTINGS_NO_RFC7540_PRIORITIES", "SETTINGSNORFC7540PRIORITIES"},
}

func knownSetting(id uint16) bool { return int(id) < len(settingNames) && settingNames[id][0] != "" }

// parseSettings appends the parameters of a frame, up to the first that is not known.
func parseSettings(dst []setting, b []byte) []setting {
	for len(b) >= 6 {
		s := setting{binary.BigEndian.Uint16(b), binary.BigEndian.Uint32(b[2:])}
		if !knownSetting(s.id) {
			break
		}
		dst = append(dst, s)
		b = b[6:]
	}
	return dst
}

// errorNames are the error codes as EVE shows them; rules write them with underscores.
var errorNames = [...]string{"NOERROR", "PROTOCOLERROR", "INTERNALERROR", "FLOWCONTROLERROR", "SETTINGSTIMEOUT",
	"STREAMCLOSED", "FRAMESIZEERROR", "REFUSEDSTREAM", "CANCEL", "COMPRESSIONERROR", "CONNECTERROR", "ENHANCEYOURCALM",
	"INADEQUATESECURITY", "HTTP11REQUIRED"}

var errorCodes = map[string]uint64{"no_error": 0, "protocol_error": 1, "internal_error": 2, "flow_control_error": 3,
	"settings_timeout": 4, "stream_closed": 5, "frame_size_error": 6, "refused_stream": 7, "cancel": 8,
	"compression_error": 9, "connect_error": 10, "enhance_your_calm": 11, "inadequate_security": 12, "http11_required": 13,
	"http_1_1_required": 13}

var frameTypes = map[string]uint64{"data": 0, "headers": 1, "priority": 2, "rststream": 3, "settings": 4, "pushpromise": 5,
	"ping": 6, "goaway": 7, "windowupdate": 8, "continuation": 9}
