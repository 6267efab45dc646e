package keyword

import (
	"reflect"
	"testing"

	"sentinel/detect"
)

// dataChunk is a DATA chunk of RFC 9260, 3.3.1, with its padding.
func dataChunk(text string) []byte {
	b := append([]byte{0, 3, 0, byte(16 + len(text)), 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0}, text...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

func TestChunkData(t *testing.T) {
	header := []byte{0, 1, 0, 2, 0, 0, 0, 7, 0, 0, 0, 0}
	cookie := []byte{11, 0, 0, 4}
	join := func(parts ...[]byte) []byte {
		b := append([]byte{}, header...)
		for _, p := range parts {
			b = append(b, p...)
		}
		return b
	}
	for _, c := range []struct {
		name  string
		proto byte
		sctp  []byte
		want  []string
	}{
		{"none", 132, join(cookie), nil},
		{"one", 132, join(dataChunk("hi")), []string{"hi"}},
		{"several, among others", 132, join(dataChunk("hi"), cookie, dataChunk("there")), []string{"hi", "there"}},
		{"empty", 132, join(dataChunk(""), dataChunk("x")), []string{"", "x"}},
		{"shorter than its header", 132, join([]byte{0, 3, 0, 12, 0, 0, 0, 1, 0, 0, 0, 0}, dataChunk("x")), []string{"x"}},
		{"not SCTP", 17, join(dataChunk("hi")), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := &detect.Ctx{Packet: frame(t, ipv4(c.proto, c.sctp))}
			var got []string
			for i := 0; i < 99; i++ {
				b, ok := chunkData(x, i)
				if !ok {
					break
				}
				got = append(got, string(b))
			}
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	x := &detect.Ctx{Packet: frame(t, ipv4(132, join(dataChunk("a"), dataChunk("b"))))}
	if n := testing.AllocsPerRun(100, func() { chunkData(x, 1) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
