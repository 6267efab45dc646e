// Package dns follows DNS over UDP and TCP (RFC 1035): each message is a transaction of its own.
//
// It also reads single messages for protocols that carry DNS in another wrapping. It knows nothing of rules, output or
// other protocols.
package dns
