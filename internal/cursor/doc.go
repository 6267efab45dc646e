// Package cursor reads fields from the front of a byte slice, each read checked and bounded.
//
// It knows no protocol, keeps no error and allocates nothing.
package cursor
