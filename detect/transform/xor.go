package transform

import (
	enc "encoding/hex"
	"strconv"
	"strings"
)

// xor decodes with a key in hexadecimal, or one that is read from the buffer: "offset 1,extract 1 0".
func xor() Keyword {
	return Keyword{Name: "xor", Doc: "modify buffer via XOR decoding before inspection", Quoted: true, Setup: func(o string) (Transform, error) {
		o = strings.TrimSpace(o)
		from := uint64(0)
		if rest, ok := cutWord(o, "offset"); ok {
			n, key, ok := strings.Cut(rest, ",")
			if !ok {
				return Transform{}, invalid("XOR transform: 'offset' requires format 'offset <N>,<key>'")
			}
			var err error
			if from, err = strconv.ParseUint(strings.TrimSpace(n), 10, 32); err != nil {
				return Transform{}, invalid("XOR transform: invalid offset value '" + strings.TrimSpace(n) + "'")
			}
			o = strings.TrimSpace(key)
		}
		if rest, ok := cutWord(o, "extract"); ok {
			f := strings.Fields(rest)
			if len(f) != 2 {
				return Transform{}, invalid("XOR transform: 'extract' requires format 'extract <nbytes> <offset>'")
			}
			n, err1 := strconv.ParseUint(f[0], 10, 8)
			at, err2 := strconv.ParseUint(f[1], 10, 16)
			if err1 != nil || err2 != nil || n == 0 {
				return Transform{}, invalid("XOR transform: 'extract' requires format 'extract <nbytes> <offset>'")
			}
			return Transform{Apply: func(dst, src []byte) []byte {
				if at+n > uint64(len(src)) {
					return src
				}
				return xorBytes(dst, src, src[at:at+n], from)
			}}, nil
		}
		if len(o) >= 2 && o[0] == '"' && o[len(o)-1] == '"' {
			o = o[1 : len(o)-1]
		}
		key, err := enc.DecodeString(o)
		if err != nil || len(key) == 0 || len(key) > 255 {
			return Transform{}, invalid("XOR transform: '" + o + "' is not a valid hex key")
		}
		return Transform{Apply: func(dst, src []byte) []byte { return xorBytes(dst, src, key, from) }}, nil
	}}
}

func cutWord(s, word string) (string, bool) {
	rest, ok := strings.CutPrefix(s, word)
	if !ok || rest == "" || rest[0] != ' ' && rest[0] != '\t' {
		return "", false
	}
	return strings.TrimSpace(rest), true
}

func xorBytes(dst, src, key []byte, from uint64) []byte {
	if from >= uint64(len(src)) {
		return src
	}
	dst = append(dst, src...)
	for i, k := int(from), 0; i < len(dst); i++ {
		dst[i] ^= key[k]
		if k++; k == len(key) {
			k = 0
		}
	}
	return dst
}
