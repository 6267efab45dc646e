package transform

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"io"
	"strconv"
	"strings"
)

const (
	defaultInflated = 1024
	maxInflated     = 16 << 20
)

func gunzip() Keyword {
	return decompress("gunzip", "modify buffer via gunzip decompression", func(b []byte) (io.Reader, error) {
		r, err := gzip.NewReader(bytes.NewReader(b))
		if err != nil {
			return nil, err
		}
		r.Multistream(false)
		return r, nil
	})
}

func zlibDeflate() Keyword {
	return decompress("zlib_deflate", "modify buffer via zlib decompression", func(b []byte) (io.Reader, error) {
		return zlib.NewReader(bytes.NewReader(b))
	})
}

// decompress makes at most max-size bytes. Corrupt data gives an empty buffer.
func decompress(name, doc string, open func([]byte) (io.Reader, error)) Keyword {
	return Keyword{Name: name, Doc: doc, Optional: true, Setup: func(o string) (Transform, error) {
		most := uint64(defaultInflated)
		if o != "" {
			k, v, ok := strings.Cut(o, " ")
			if !ok || k != "max-size" {
				return Transform{}, invalid("Bad key value for decompress transform " + o)
			}
			unit := uint64(1)
			low := strings.ToLower(v)
			for _, u := range [...]struct {
				s string
				n uint64
			}{{"kib", 1 << 10}, {"mib", 1 << 20}, {"gib", 1 << 30}, {"kb", 1 << 10}, {"mb", 1 << 20}, {"gb", 1 << 30}} {
				if strings.HasSuffix(low, u.s) {
					low, unit = strings.TrimSpace(strings.TrimSuffix(low, u.s)), u.n
					break
				}
			}
			n, err := strconv.ParseUint(low, 10, 32)
			if err != nil {
				return Transform{}, invalid("Invalid max-size value for decompress transform " + v)
			}
			switch n *= unit; {
			case n == 0:
				return Transform{}, invalid("max-size 0 for decompress transform would always produce an empty buffer")
			case n > maxInflated:
				return Transform{}, invalid("max-size is too big > 16777216")
			}
			most = n
		}
		return Transform{Apply: func(dst, src []byte) []byte {
			if len(src) == 0 {
				return src
			}
			r, err := open(src)
			if err != nil {
				return empty
			}
			w := bytes.NewBuffer(dst)
			// Data that ends early leaves what there is of it; so does gzip's checksum, which comes behind the data.
			if _, err := io.Copy(w, io.LimitReader(r, int64(most))); err != nil && err != io.ErrUnexpectedEOF && err != gzip.ErrChecksum {
				return empty
			}
			return some(w.Bytes(), src)
		}}, nil
	}}
}
