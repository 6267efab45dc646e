// Package pcre is regular expressions as rules write them: PCRE2 by cgo, compiled to machine code on
// first use and held to match limits, or, in builds without cgo, a backtracking engine in plain Go
// with a time-out. It also parses the value of the pcre keyword.
//
// It must not know which buffer an expression looks at.
//
// The plain Go engine refuses what it cannot do: possessive quantifiers, the G modifier (ungreedy)
// and a few escapes.
package pcre
