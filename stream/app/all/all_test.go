package all

import (
	"slices"
	"strings"
	"testing"

	"sentinel/stream/app"
)

// What the rest of the engine takes for granted of every descriptor: names and events are interface, and sets of bits have bounds.
func TestProtocols(t *testing.T) {
	names := map[string]bool{}
	for _, p := range Protocols() {
		t.Run(p.Name, func(t *testing.T) {
			if names[p.Name] {
				t.Errorf("the name %q is taken", p.Name)
			}
			names[p.Name] = true
			for _, n := range append([]string{p.Name}, p.Aliases...) { // an alias may stand for several: http
				if n == "" || n != strings.ToLower(n) {
					t.Errorf("name %q is empty or not in lower case", n)
				}
			}
			if p.Setup == nil || p.Transport&(app.TCP|app.UDP) == 0 {
				t.Error("no parser, or no transport")
			}
			if len(p.Events) > app.MaxEvents || len(p.Frames) >= app.StreamFrame {
				t.Errorf("%d events, %d frames", len(p.Events), len(p.Frames))
			}
			for _, list := range [][]string{p.Events, p.Frames, p.States[0], p.States[1]} {
				for i, n := range list {
					if n == "" || slices.Contains(list[:i], n) {
						t.Errorf("%q is empty or twice in %q", n, list)
					}
				}
			}
			for i := range p.Buffers {
				b := &p.Buffers[i]
				set := 0
				for _, there := range []bool{b.Single != nil, b.Multi != nil, b.Stream != nil} {
					if there {
						set++
					}
				}
				if b.Name == "" || b.Doc == "" || set != 1 {
					t.Errorf("buffer %q: %d getters, described as %q", b.Name, set, b.Doc)
				}
				if n := len(p.States[b.At.Dir]); n > 0 && int(b.At.Progress) >= n {
					t.Errorf("buffer %q hangs on progress %d of %d", b.Name, b.At.Progress, n)
				}
			}
		})
	}
	for _, n := range []string{"http1", "http2", "tls", "smtp", "dns"} {
		if !names[n] {
			t.Errorf("%s is missing", n)
		}
	}
}
