package detect

import (
	"sentinel/detect/dataset"
	"sentinel/detect/geoip"
	"sentinel/detect/iprep"
	"sentinel/detect/mpm"
	"sentinel/rules"
	"sentinel/stream/app"
)

// Config is what Compile needs beside the rules. Zero values mean Suricata's defaults.
type Config struct {
	Registry *app.Registry
	Keywords []Keyword
	Vars     rules.Vars

	Classes    *Classes    // classification.config; nil = none
	References *References // reference.config; nil = none
	Thresholds []ThresholdLine
	Datasets   *dataset.Sets // of dataset and datarep; shared across reloads
	Reputation *iprep.Table  // of addresses, for iprep; nil = none
	Countries  *geoip.Table  // of addresses, for geoip; nil = none

	Engine mpm.Engine // nil = no prefilter: every rule is tried (tests, the plain path)
	Cache  *mpm.Cache

	IPS                bool
	PacketAlertMax     int  // packet-alert-max; 15
	RecursionLimit     int  // detect.inspection-recursion-limit; 3000
	PCREMatchLimit     int  // pcre.match-limit; 3500
	PCRERecursionLimit int  // pcre.match-limit-recursion; 1500
	MaxFlowbits        int  // detect.flowbits.max-per-signature; 10
	GuessAppTx         bool // detect.guess-applayer-tx
	GuessAppTxLimit    int  // detect.stream-tx-log-limit; 4
	PrefilterAuto      bool // detect.prefilter.default: auto
	NoPrefilter        bool // try every rule on everything: for tests of parity
	NarrowAfter        int  // bytes of traffic after which a class gets pattern sets of its own; 0 = 1 MiB, negative = never
	NoDirect           bool // put weak patterns into the pattern sets too: for tests of parity
	FileStore          bool // files are stored: without it filestore is without effect
	StrictRuleKeywords bool // --strict-rule-keywords
	Generation         uint32
	Tenant             uint32         // whose rules these are; thresholds count by it
	ActionOrder        []rules.Action // action-order; pass, drop, reject, alert
	DefineFileMagic    bool           // file magic is available
	Features           map[string]bool
	Describe           bool   // fill in Ruleset.Described
	Names              *Names // names of flowbits and the like; shared across reloads; nil = new
	RulePath           string // default-rule-path, where lists named by rules are looked for
}

func (c *Config) defaults() {
	if c.NarrowAfter == 0 {
		c.NarrowAfter = narrowAfter
	}
	if c.PacketAlertMax <= 0 {
		c.PacketAlertMax = 15
	}
	if c.RecursionLimit <= 0 {
		c.RecursionLimit = 3000
	}
	if c.PCREMatchLimit <= 0 {
		c.PCREMatchLimit = 3500
	}
	if c.PCRERecursionLimit <= 0 {
		c.PCRERecursionLimit = 1500
	}
	if c.MaxFlowbits <= 0 {
		c.MaxFlowbits = 10
	}
	if c.GuessAppTxLimit <= 0 {
		c.GuessAppTxLimit = 4
	}
	if len(c.ActionOrder) == 0 {
		c.ActionOrder = []rules.Action{rules.Pass, rules.Drop, rules.Reject, rules.Alert}
	}
	if c.Names == nil {
		c.Names = NewNames()
	}
	if c.Registry == nil {
		c.Registry = app.NewRegistry(nil, nil)
	}
}
