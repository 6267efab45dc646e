package detect

import (
	"strings"

	"sentinel/detect/mpm"
	"sentinel/detect/transform"
	"sentinel/rules"
	"sentinel/stream/app"
)

// Ruleset is compiled rules. It is immutable and shared by workers.
type Ruleset struct {
	Generation  uint32
	Total       int            // rules read, disabled ones aside
	Skipped     int            // rules whose requirements are not met
	FailedRules int            // rules left out because of an error
	Failed      map[string]int // those by keyword
	Warnings    []error
	Why         []error // why rules were skipped
	Notes       []string
	Described   []Description // with Config.Describe: every rule, in the order of evaluation
	Names       *Names

	wants map[string]bool // what Wants answers
	cfg   Config
	rules []*compiled // by num
	heads []head
	addrs []rules.AddressSet
	ports []rules.PortSet
	space *space

	data     []data // buffers of transactions that rules look at
	pktData  []packetData
	byApp    []appEngines // by protocol
	frames   []frameData  // frames that rules look at
	payload  []payloadSet
	narrower narrower
	ipOnly   []uint32 // rules that are tried once per flow and direction
	ipTable  *ipTable
	always   []uint32 // packet rules without fast pattern, by num
	weak     []weakRule
	sets     []mpm.Set
	loose    [2][]txLoose // rules on any protocol's transactions, by direction
}

// data is a buffer of transactions with the transforms that rules apply to it.
type data struct {
	src        *source
	base       uint32 // the same without transforms; itself if there are none
	transforms []transform.Transform
	name       string
	set        mpm.Set // fast patterns; nil = none
	hits       [][]uint32
	patterns   []mpm.Pattern
	index      map[string]uint32
	dir        app.Dir
	inScan     bool
}

// appEngines is what is looked at in a protocol's transactions, by direction.
type appEngines struct {
	scans [2][]uint32  // data with fast patterns, by progress
	loose [2][]txLoose // rules without fast pattern, by progress

	frames []uint32 // what is looked at in frames: index of Ruleset.frames
}

// txLoose is rules without a fast pattern that are tried when a transaction is at a progress.
type txLoose struct {
	sub      uint8
	progress uint8
	always   bool // whatever the progress
	events   bool // only if the transaction has events
	rules    []uint32
}

// Rules is the number of rules that are loaded; both directions of "<>" count.
func (rs *Ruleset) Rules() int { return len(rs.rules) }

// Meta lists what is known of every rule, in order of evaluation.
func (rs *Ruleset) Meta() []*Meta {
	out := make([]*Meta, len(rs.rules))
	for i, r := range rs.rules {
		out[i] = &r.meta
	}
	return out
}

// TypeOf is the type of rule i of Meta.
func (rs *Ruleset) TypeOf(i int) Type { return rs.rules[i].typ }

// Wants reports whether some rule looks at a buffer, or at one of a family, for what costs something to make: "ja3" stands for
// ja3.hash, ja3s.string and their like.
func (rs *Ruleset) Wants(buffer string) bool { return rs.wants[buffer] }

// noteWants fills in what Wants answers.
func (rs *Ruleset) noteWants() {
	rs.wants = map[string]bool{}
	for i := range rs.data {
		name := rs.data[i].name
		rs.wants[name] = true
		if family, _, ok := strings.Cut(name, "."); ok {
			rs.wants[family] = true
			rs.wants[strings.TrimSuffix(family, "s")] = true // of servers: ja3s
		}
	}
}

// NeedsOfFiles says which hashes of files rules look at, and whether some rule stores files.
func (rs *Ruleset) NeedsOfFiles() (md5, sha1, sha256, magic, store bool) {
	for _, r := range rs.rules {
		md5 = md5 || r.fileNeeds&NeedMD5 != 0
		sha1 = sha1 || r.fileNeeds&NeedSHA1 != 0
		sha256 = sha256 || r.fileNeeds&NeedSHA256 != 0
		magic = magic || r.magic || r.fileNeeds&NeedFileMagic != 0
		store = store || r.flags&filestore != 0
	}
	return
}

// Close gives the memory of the pattern sets back. No worker may use the Ruleset any more.
func (rs *Ruleset) Close() {
	rs.narrower.close()
	for _, s := range rs.sets {
		if s != nil {
			s.Close()
		}
	}
	rs.sets = nil
}

// weakRule is a rule with a weak pattern, for TCP or for the other protocols.
type weakRule struct {
	weak
	tcp bool
}
