package transform

func urlDecode() Keyword {
	return plain("url_decode", "modify buffer to decode urlencoded data before inspection", func(dst, src []byte) []byte {
		for i := 0; i < len(src); i++ {
			c := src[i]
			switch {
			case c == '+':
				c = ' '
			case c == '%' && i+2 < len(src) && hex(src[i+1]) < 16 && hex(src[i+2]) < 16:
				c = hex(src[i+1])<<4 | hex(src[i+2])
				i += 2
			case c == '%' && i+1 < len(src):
				// Not an escape: the percent sign and what made it fail stay as they are.
				dst = append(dst, c)
				i++
				if hex(src[i]) < 16 && i+1 < len(src) {
					dst = append(dst, src[i])
					i++
				}
				c = src[i]
			}
			dst = append(dst, c)
		}
		return some(dst, src)
	}, nil)
}

func hex(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	}
	return 255
}
