// Package decode finds the layers of a captured frame.
//
// Decoding keeps no state between frames and never fails: what is malformed sets an event bit on the packet, and
// whatever was found before stays valid. The package knows nothing of flows, streams, rules or output.
package decode
