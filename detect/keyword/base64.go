package keyword

import (
	"strconv"
	"strings"

	"sentinel/detect"
)

// base64Decode decodes a part of the buffer: "bytes 12, offset 3, relative".
func base64Decode() detect.Keyword {
	return detect.Keyword{Name: "base64_decode", Doc: "decode base64 encoded data", Flags: detect.OptionalValue, Setup: func(b *detect.Builder, v string) error {
		bytes, offset, relative := 0, 0, false
		if strings.TrimSpace(v) != "" {
			for _, p := range strings.Split(v, ",") {
				k, x, _ := strings.Cut(strings.TrimSpace(p), " ")
				x = strings.TrimSpace(x)
				switch k {
				case "bytes":
					n, err := strconv.ParseUint(x, 10, 16)
					if err != nil {
						return problem("invalid bytes \"" + x + "\"")
					}
					bytes = int(n)
				case "offset":
					n, err := strconv.ParseUint(x, 10, 31)
					if err != nil {
						return problem("invalid offset \"" + x + "\"")
					}
					offset = int(n)
				case "relative":
					relative = true
				default:
					return problem("invalid option \"" + p + "\"")
				}
			}
		}
		return b.Base64(bytes, offset, relative)
	}}
}

// base64Data selects what was decoded.
func base64Data() detect.Keyword {
	return detect.Keyword{Name: "base64_data", Doc: "content match base64 decoded data", Flags: detect.NoValue | detect.Sticky, Setup: func(b *detect.Builder, _ string) error {
		return b.Base64Data()
	}}
}
