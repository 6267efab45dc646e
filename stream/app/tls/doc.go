// Package tls follows TLS (RFC 5246, RFC 8446), SSL 3.0 and SSL 2.0 sessions up to the point where they are encrypted: hellos,
// certificates, alerts, heartbeats. A session is one transaction.
//
// It knows nothing of rules, output or other protocols, and decrypts nothing.
package tls
