// Package magic says what kind of file some bytes are, in the words of libmagic, which rules are written for. It knows
// nothing of files, rules or workers.
package magic
