package transform

import (
	"strconv"
	"strings"
)

// subslice keeps a part of the buffer: "offset[, bytes][, truncate]"; negative numbers count from the end.
func subslice() Keyword {
	return Keyword{Name: "subslice", Doc: "create a subslice from the current buffer", Setup: func(o string) (Transform, error) {
		parts := strings.Split(o, ",")
		for i := range parts {
			parts[i] = strings.TrimSpace(parts[i])
		}
		truncate := false
		if n := len(parts); n > 1 && strings.EqualFold(parts[n-1], "truncate") {
			truncate, parts = true, parts[:n-1]
		}
		if len(parts) == 3 && parts[2] != "" && !truncate {
			return Transform{}, invalid("Invalid subslice options; " + parts[2] + " not recognized")
		}
		if len(parts) > 2 {
			return Transform{}, invalid("Invalid subslice options; use: 'offset' or 'offset, nbytes' or 'offset, truncate' or 'offset, nbytes, truncate'")
		}
		offset, err := strconv.ParseInt(parts[0], 10, 32)
		if err != nil {
			return Transform{}, invalid("Invalid subslice options; " + parts[0] + " is no number")
		}
		count, has := int64(0), len(parts) == 2
		if has {
			if count, err = strconv.ParseInt(parts[1], 10, 32); err != nil || count == 0 {
				return Transform{}, invalid("Invalid subslice options; nbytes value cannot be 0")
			}
		}
		return Transform{Apply: func(_, src []byte) []byte {
			size := int64(len(src))
			if size == 0 {
				return src
			}
			if (offset > size || -offset > size) && !truncate {
				return empty
			}
			from := min(offset, size)
			if offset < 0 {
				from = size + max(offset, -size)
			}
			to := size
			switch {
			case has && count < 0:
				if to = size + count; to < 0 {
					if !truncate {
						return empty
					}
					to = 0
				}
			case has:
				if to = from + count; to > size {
					if !truncate {
						return empty
					}
					to = size
				}
			}
			if to < from {
				from, to = to, from
			}
			return src[from:to:to]
		}}, nil
	}}
}
