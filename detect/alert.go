package detect

import (
	"sentinel/rules"
	"sentinel/stream/app"
)

// Meta is what output says of a rule. It is immutable.
type Meta struct {
	SID, GID, Rev uint32
	Msg           string
	Class         string // classtype's short name; "" = none
	ClassText     string // its description: alert.category
	Priority      uint8
	Action        rules.Action
	References    []Reference
	Metadata      []KeyValues // in order of the first mention of each key
	Target        Target
	Raw           string // the rule as written
	Proto         string // as written
	App           app.ProtoID
	File          string
	Line          int
	NoAlert       bool
	Store         bool // has filestore
	XBits         bool
}

// Reference is one reference of a rule, resolved by reference.config.
type Reference struct{ Key, URL string }

// KeyValues is one metadata key with all its values.
type KeyValues struct {
	Key    string
	Values []string
}

// Target is the side that a rule calls the attacked one.
type Target uint8

// The values of the target keyword.
const (
	NoTarget Target = iota
	SrcIP
	DestIP
)

// AlertFlags say where an alert comes from.
type AlertFlags uint8

// The marks of an Alert.
const (
	FromState    AlertFlags = 1 << iota // a transaction's stored state completed it
	FromStream                          // content was found in the reassembled stream
	FromTx                              // Tx is valid
	FromFrame                           // a frame keyword found it
	RateFiltered                        // rate_filter changed the action
	Suppressed                          // counted, acted upon, not written
	TxGuessed                           // Tx is the one that was under way: detect.guess-applayer-tx
)

// Alert is one rule that matched. It is valid until the next Inspect.
type Alert struct {
	Rule   *Meta
	Action rules.Action // after rate_filter
	Flags  AlertFlags
	Tx     app.Transaction // with FromTx
	TxID   uint64
	Frame  uint64 // with FromFrame: its id, in the direction of the packet
	// Context is what expressions captured for the alert, and what data sets know; its values are lent for the packet.
	Context []PacketVar
}
