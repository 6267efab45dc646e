// Package ja computes the fingerprints JA3, JA3S and JA4 of TLS hellos, for every protocol that carries them.
//
// Of the JA4 family it has the client fingerprint only: the others are under a licence that forbids it. It does not parse.
package ja
