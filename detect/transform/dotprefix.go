package transform

func dotprefix() Keyword {
	return plain("dotprefix", "modify buffer to extract the dotprefix", func(dst, src []byte) []byte {
		if len(src) == 0 {
			return src
		}
		return append(append(dst, '.'), src...)
	}, nil)
}
