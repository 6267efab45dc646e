// Package live gives tests a network of their own: a namespace with interfaces that exist nowhere else.
//
// A test that cannot have one is skipped with the reason; with SENTINEL_LIVE=must in the environment it fails instead,
// so that a machine that is meant to run these tests cannot pass without them.
package live
