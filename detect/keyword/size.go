package keyword

import (
	"strings"

	"sentinel/detect"
	"sentinel/detect/chain"
)

// bsize compares the length of a buffer.
func bsize() detect.Keyword {
	return detect.Keyword{Name: "bsize", Doc: "match on the length of a buffer", Setup: func(b *detect.Builder, v string) error {
		z, err := chain.ParseBSize(v)
		if err != nil {
			return err
		}
		return b.Size(z)
	}}
}

// urilen compares the length of the URI of HTTP requests.
func urilen() detect.Keyword {
	return detect.Keyword{Name: "urilen", Doc: "match on the length of the HTTP uri", Setup: func(b *detect.Builder, v string) error {
		v, mode, has := strings.Cut(v, ",")
		buffer := "http.uri"
		if has {
			switch strings.ToLower(strings.TrimSpace(mode)) {
			case "raw":
				buffer = "http.uri.raw"
			case "norm":
			default:
				return problem("urilen option " + mode + " is not norm or raw")
			}
		}
		u, err := detect.ParseUint(v, 16, nil)
		if err != nil {
			return err
		}
		if b.Known(buffer) {
			return b.SizeOf(buffer, u.Size())
		}
		return problem("the buffer " + buffer + " is not available")
	}}
}

// absent asks for a buffer not to be there.
func absent() detect.Keyword {
	return detect.Keyword{Name: "absent", Doc: "test if the buffer is absent", Flags: detect.OptionalValue, Setup: func(b *detect.Builder, v string) error {
		switch v {
		case "":
			return b.Absent(false)
		case "or_else":
			return b.Absent(true)
		}
		return problem("unhandled value for absent keyword: " + v)
	}}
}
