// Package inflate decompresses bodies that arrive in pieces: deflate, zlib, gzip, Brotli and LZMA. A Codec is pushed to, not
// pulled from: it needs no goroutine, keeps its state between calls, allocates nothing in the steady state, and hands out
// what it decoded before it met damage.
//
// It knows nothing of HTTP.
package inflate
