// Package chain is the conditions of a rule on one buffer that have a position: content, pcre,
// byte_test, byte_jump, byte_extract, byte_math, isdataat and bsize. They are parsed, and compiled to one
// program that goes back to later hits of earlier conditions, within a bound.
//
// It must not know where a buffer comes from.
package chain
