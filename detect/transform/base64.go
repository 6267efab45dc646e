package transform

import (
	"bytes"
	"encoding/base64"
	"strconv"
	"strings"
)

// Base64Mode says what is done about bytes that are not in the alphabet.
type Base64Mode uint8

// The modes.
const (
	RFC4648 Base64Mode = iota // decoding ends there
	RFC2045                   // they are skipped
	Strict                    // nothing is decoded
)

// fromBase64 decodes; what cannot be decoded stays as it is.
func fromBase64() Keyword {
	return Keyword{Name: "from_base64", Doc: "convert the base64 decode of the buffer", Optional: true, Setup: func(o string) (Transform, error) {
		mode, offset, count, err := base64Options(o)
		if err != nil {
			return Transform{}, err
		}
		return Transform{Apply: func(dst, src []byte) []byte {
			in := src
			if offset > 0 {
				if offset >= len(in) {
					return src
				}
				in = in[offset:]
			}
			if count > 0 {
				if count >= len(in) {
					return src
				}
				in = in[:count]
			}
			if out := DecodeBase64(dst, in, mode); len(out) > 0 {
				return out
			}
			return src
		}}, nil
	}}
}

func base64Options(o string) (mode Base64Mode, offset, count int, err error) {
	seen := map[string]bool{}
	if strings.TrimSpace(o) == "" {
		return
	}
	for _, part := range strings.Split(o, ",") {
		k, v, _ := strings.Cut(strings.TrimSpace(part), " ")
		v = strings.TrimSpace(v)
		if seen[k] {
			err = invalid(k + " already set")
			return
		}
		seen[k] = true
		switch k {
		case "mode":
			switch v {
			case "rfc4648":
				mode = RFC4648
			case "rfc2045":
				mode = RFC2045
			case "strict":
				mode = Strict
			default:
				err = invalid("invalid mode value: " + v)
				return
			}
		case "offset", "bytes":
			n, e := strconv.ParseUint(v, 10, 16)
			if e != nil {
				err = invalid("invalid " + k + " value: must be between 0 and 65535: " + v)
				return
			}
			if k == "offset" {
				offset = int(n)
			} else {
				count = int(n)
			}
		default:
			err = invalid("unknown base64 keyword: " + k)
			return
		}
	}
	return
}

// padding stands for "=" and foreign for what is not of base64 in alphabet.
const (
	padding = 64
	foreign = 255
)

var alphabet = func() (t [256]byte) {
	for i := range t {
		t[i] = foreign
	}
	for i := 0; i < 64; i++ {
		t["ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[i]] = byte(i)
	}
	t['='] = padding
	return t
}()

// DecodeBase64 appends what in decodes to, in groups of four characters. Padding within the text does not end it; padding where
// no group can have it spoils everything. By RFC 4648 what the last group lacks is taken for padding; by RFC 2045 it is left
// out.
func DecodeBase64(dst, in []byte, mode Base64Mode) []byte {
	if mode == Strict {
		// Go's decoder skips line ends.
		if bytes.IndexByte(in, '\n') >= 0 || bytes.IndexByte(in, '\r') >= 0 {
			return dst[:0]
		}
		out, err := base64.StdEncoding.Strict().AppendDecode(dst, in)
		if err != nil {
			return dst[:0]
		}
		return out
	}
	var group [4]byte
	n := 0
	for i := 0; i <= len(in); i++ {
		v := byte(foreign)
		if i < len(in) {
			v = alphabet[in[i]]
		}
		end := false
		if v != foreign {
			group[n] = v
			n++
		} else if mode == RFC4648 || i == len(in) {
			if mode == RFC2045 || n == 0 {
				break
			}
			for ; n < 4; n++ {
				group[n] = padding
			}
			end = true
		}
		if n == 4 {
			n = 0
			if group[0] == padding || group[1] == padding {
				return dst[:0]
			}
			dst = append(dst, group[0]<<2|group[1]>>4)
			if group[2] != padding {
				dst = append(dst, group[1]<<4|group[2]>>2)
				if group[3] != padding {
					dst = append(dst, group[2]<<6|group[3])
				}
			}
		}
		if end {
			break
		}
	}
	return dst
}
