package transform

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
)

func toMD5() Keyword {
	return plain("to_md5", "convert to md5 hash of the buffer", func(dst, src []byte) []byte {
		if len(src) == 0 {
			return src
		}
		h := md5.Sum(src)
		return append(dst, h[:]...)
	}, length(md5.Size))
}

func toSHA1() Keyword {
	return plain("to_sha1", "convert to sha1 hash of the buffer", func(dst, src []byte) []byte {
		if len(src) == 0 {
			return src
		}
		h := sha1.Sum(src)
		return append(dst, h[:]...)
	}, length(sha1.Size))
}

func toSHA256() Keyword {
	return plain("to_sha256", "convert to sha256 hash of the buffer", func(dst, src []byte) []byte {
		if len(src) == 0 {
			return src
		}
		h := sha256.Sum256(src)
		return append(dst, h[:]...)
	}, length(sha256.Size))
}

// length refuses contents that are longer than the hash.
func length(n int) func([]byte) error {
	return func(content []byte) error {
		if len(content) > n {
			return invalid("the content is longer than the hash")
		}
		return nil
	}
}
