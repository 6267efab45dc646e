// Package x509 reads what events and rules show of a certificate (RFC 5280): names, serial number, validity, alternative names.
//
// It is more tolerant than a verifier may be, because what is on the wire is to be shown and not to be trusted, and writes
// names in the form that rules expect. It knows nothing of TLS.
package x509
