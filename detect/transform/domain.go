package transform

import (
	"strings"

	"golang.org/x/net/publicsuffix"
)

// maxHost bounds the names that are looked up (RFC 1035, 2.3.4).
const maxHost = 255

func domain() Keyword {
	return plain("domain", "modify buffer to extract the domain", func(dst, src []byte) []byte {
		if len(src) == 0 {
			return src
		}
		d, _ := split(src)
		return some(append(dst, d...), src)
	}, nil)
}

func tld() Keyword {
	return plain("tld", "modify buffer to extract the tld", func(dst, src []byte) []byte {
		if len(src) == 0 {
			return src
		}
		_, t := split(src)
		return some(append(dst, t...), src)
	}, nil)
}

// split returns the domain and the public suffix of a name by Mozilla's list, or nothing if the name is no more than a
// suffix.
func split(name []byte) (domain, suffix string) {
	if len(name) > maxHost {
		return "", ""
	}
	s := string(name)
	suffix, _ = publicsuffix.PublicSuffix(s)
	if len(s) <= len(suffix)+1 || s[len(s)-len(suffix)-1] != '.' {
		return "", ""
	}
	rest := s[:len(s)-len(suffix)-1]
	label := rest[strings.LastIndexByte(rest, '.')+1:]
	if label == "" {
		return "", ""
	}
	return label + "." + suffix, suffix
}
