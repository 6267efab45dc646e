package keyword

import "sentinel/detect"

// frameBuffer selects the frames of a protocol: what follows looks at each of them by itself.
func frameBuffer() detect.Keyword {
	return detect.Keyword{Name: "frame", Doc: "sticky buffer for inspecting app-layer frames", Flags: detect.Sticky,
		Setup: func(b *detect.Builder, value string) error { return b.Frame(value) }}
}
