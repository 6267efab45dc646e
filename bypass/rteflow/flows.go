package rteflow

import (
	"errors"
	"fmt"
)

// Match is what the packets of one direction of a flow have in common.
type Match struct {
	Version          uint8 // 4 or 6
	Proto            uint8 // TCP, UDP or SCTP
	Src, Dst         [16]byte
	SrcPort, DstPort uint16
	VLAN             [2]uint16 // tags in the frames, outer first; 0 = none
}

// Handle names a rule of a card. It is never 0.
type Handle uint64

// Flows are the rules of one port that drop what they match and count it.
type Flows interface {
	// Create makes a rule. ErrFull says that the card has no room.
	Create(Match) (Handle, error)
	// Query returns what a rule has dropped since it was made.
	Query(Handle) (pkts, bytes uint64, err error)
	Destroy(Handle) error
}

// Why a card does not make a rule.
var (
	ErrFull        = errors.New("the card has no room for another rule")
	ErrUnsupported = errors.New("the card does not make such rules")
)

// Prove makes a rule, asks for its counts and takes it away: for two hosts that do not exist, of the documentation networks. An error says
// which of it the port cannot.
func Prove(f Flows) error {
	m := Match{Version: 4, Proto: 17, Src: [16]byte{192, 0, 2, 254}, Dst: [16]byte{198, 51, 100, 254}, SrcPort: 9, DstPort: 9}
	h, err := f.Create(m)
	if err != nil {
		return fmt.Errorf("cannot make a rule that drops and counts: %w", err)
	}
	_, _, err = f.Query(h)
	if derr := f.Destroy(h); derr != nil {
		return fmt.Errorf("cannot take a rule away: %w", derr)
	}
	if err != nil {
		return fmt.Errorf("cannot ask what a rule has counted: %w", err)
	}
	return nil
}
