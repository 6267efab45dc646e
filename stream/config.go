package stream

import (
	"sentinel/internal/conf"
	"sentinel/stream/app"
	"sentinel/stream/defrag"
	"sentinel/stream/file"
	"sentinel/stream/flow"
	"sentinel/stream/tcp"
)

// Config is what one worker's engine is made of.
type Config struct {
	Registry *app.Registry
	Root     *conf.Node // the whole configuration, for the protocols' sections
	Flow     flow.Config
	TCP      tcp.Config
	Defrag   defrag.Config

	Detection  bool // rules are run: transactions wait for them
	IPS        bool // verdicts are carried out, or would be (--simulate-ips)
	Files      file.Flags
	Identify   func([]byte) string // names the kind of a file by its first bytes, for file.WantMagic; nil = nobody can
	Wants      func(what string) bool
	Warn       func(format string, args ...any)
	Shared     func(name string, make func() any) any // what protocols share among workers; nil = nothing
	StoreDepth uint32                                 // to which a stream is followed once rules have its files stored; 0 = as all streams
	Random     uint64                                 // seed of randomised limits; 0 = none

	Checksums Checksums

	// ElephantBypass has flows bypassed that have moved ElephantBytes, and whose rate made them elephants where rates are
	// tracked.
	ElephantBypass bool
	ElephantBytes  uint64

	FlowMemcapPolicy       Policy
	DefragMemcapPolicy     Policy
	AppErrorPolicy         Policy
	MidstreamPolicy        Policy
	SessionMemcapPolicy    Policy
	ReassemblyMemcapPolicy Policy
	Simulate               Simulate
	// Expect holds announced flows, shared by all workers; nil = made anew.
	Expect *Expectations
}

// Simulate makes faults happen, for tests (--simulate-*). Packet numbers begin with 1. The zero value does nothing.
type Simulate struct {
	PacketLoss       uint64
	ReassemblyMemcap uint64
	SessionMemcap    uint64
	FlowMemcap       uint64
	DefragMemcap     uint64
	AppErrorAt       [2]uint64 // 1 + the stream offset, by Dir, from which parsers fail
	AlertQueue       bool
}

// Checksums says whether TCP packets with a wrong checksum are kept from the streams.
type Checksums uint8

// The modes.
const (
	ChecksumAuto Checksums = iota // until a sample of packets shows that the capture has them wrong by design (offloading)
	ChecksumAll
	ChecksumNone
)
