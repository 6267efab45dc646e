package keyword

import "sentinel/detect"

// dsize compares the size of the packet's payload.
func dsize() detect.Keyword {
	return detect.Keyword{Name: "dsize", Doc: "match on the size of the packet payload", Flags: detect.Prefilterable, Setup: func(b *detect.Builder, v string) error {
		u, err := detect.ParseUint(v, 16, nil)
		if err != nil {
			return err
		}
		return b.Dsize(u)
	}}
}
