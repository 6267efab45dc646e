package tcp

// mark is a flag and its name in stream_tcp events.
type mark[F Flags | StreamFlags | PacketFlags] struct {
	flag F
	name string
}

// The names of flags, in the order of events.
var (
	sessionMarks = []mark[Flags]{{Midstream, "midstream"}, {midstreamEst, "midstream_established"}, {midstreamSynAck, "midstream_synack"},
		{timestamps, "timestamp"}, {serverWScale, "server_wscale"}, {ClosedByRST, "closed_by_rst"}, {fourWay, "4whs"},
		{evasion, "detect_evasion_attempt"}, {clientSACK, "client_sackok"}, {clientSACK, "sackok"}, {confirmed, "3whs_confirmed"},
		{AppDisabled, "app_layer_disabled"}, {bypassed, "bypass"}, {FastOpen, "tcp_fast_open"}, {tfoIgnored, "tfo_data_ignored"}}
	streamMarks = []mark[StreamFlags]{{HasGap, "has_gap"}, {NoReassembly, "noreassembly"}, {keepAlive, "keepalive"},
		{DepthReached, "depth_reached"}, {triggerRaw, "trigger_raw"}, {streamTime, "timestamp"}, {zeroTime, "zero_timestamp"},
		{newRawDisabled, "new_raw_disabled"}, {rawDisabled, "disable_raw"}, {rstSeen, "rst_recv"}}
	packetMarks = []mark[PacketFlags]{{Retransmission, "retransmission"}, {SpuriousRetransmission, "spurious_retransmission"},
		{KeepAlive, "keepalive"}, {KeepAliveAck, "keepalive_ack"}, {WindowUpdate, "window_update"}, {EventSet, "event_set"},
		{StateUpdate, "state_update"}, {DupAck, "dup_ack"}, {DSACK, "dsack"}, {AckUnseenData, "ack_unseen_data"},
		{SessionReuse, "tcp_session_reuse"}, {ZeroWindowProbe, "zero_window_probe"}, {ZeroWindowProbeAck, "zero_window_probe_ack"}}
)

func name[F Flags | StreamFlags | PacketFlags](marks []mark[F], f F, say func(string)) {
	for _, m := range marks {
		if f&m.flag != 0 {
			say(m.name)
		}
	}
}

// Names says the names of the flags that are set.
func (f Flags) Names(say func(string)) { name(sessionMarks, f, say) }

// behindDetection is the first of streamMarks that events show behind the end of protocol detection, which flows know of.
const behindDetection = 7

// Names says the names of the flags that are set; known says that the protocol is known, or will not be.
func (f StreamFlags) Names(known bool, say func(string)) {
	name(streamMarks[:behindDetection], f, say)
	if known {
		say("appproto_detection_completed")
	}
	name(streamMarks[behindDetection:], f, say)
}

// Names says the names of the flags that are set.
func (f PacketFlags) Names(say func(string)) { name(packetMarks, f, say) }

// BaseSeq is the sequence number of the first byte that is kept.
func (s *Stream) BaseSeq() uint32 { return s.baseSeq }

// RightSeq is the sequence number behind the last segment that was kept; 0 without one.
func (s *Stream) RightSeq() uint32 {
	if s.right == 0 {
		return 0
	}
	return s.baseSeq + uint32(s.right-s.base)
}

// Segments is how many segments are kept.
func (s *Stream) Segments() uint32 { return s.segLen }

// RegionSize is the size of the memory for bytes that follow each other.
func (s *Stream) RegionSize() uint32 { return s.main.size }
