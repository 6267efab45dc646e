// Package defrag puts IP datagrams back together from their fragments.
//
// A Table takes fragments that decode found and gives the datagram back when the last hole closes. Where fragments
// overlap, it keeps the bytes that the receiver would have kept. One worker owns a Table; it has no locks, and its memory
// has a bound. The package knows IP headers and nothing above them.
package defrag
