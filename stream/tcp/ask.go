package tcp

// FromSynAck reports whether the session was picked up midstream at its SYN/ACK, so that client and server are known.
func (s *Session) FromSynAck() bool { return s.Flags&midstreamSynAck != 0 }
