package ja

import (
	"strings"
	"testing"
)

func numbers(list string) (out []uint16) {
	for _, s := range strings.Split(list, ",") {
		var v uint16
		for _, c := range s {
			v = v<<4 | uint16(strings.IndexRune(hexDigits, c))
		}
		out = append(out, v)
	}
	return out
}

// The example of FoxIO's technical details of JA4.
func TestJA4(t *testing.T) {
	chrome := Hello{
		Version:    0x0304,
		Ciphers:    numbers("1301,1302,1303,c02b,c02f,c02c,c030,cca9,cca8,c013,c014,009c,009d,002f,0035"),
		Extensions: numbers("001b,0000,0033,0010,4469,0017,002d,000d,0005,0023,0012,002b,ff01,000b,000a,0015"),
		SigAlgs:    numbers("0403,0804,0401,0503,0805,0501,0806,0601"),
		ALPN:       []byte("h2"),
	}
	tests := []struct {
		name  string
		hello Hello
		want  string
	}{
		{"chrome", chrome, "t13d1516h2_8daaf6152771_e5627efa2ab1"},
		// The hashes of nothing, and of a lone underscore.
		{"empty", Hello{}, "t00i000000_e3b0c44298fc_d2e2adf7177b"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := string(tt.hello.AppendJA4(nil)); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
	buf := make([]byte, 0, Size)
	if n := testing.AllocsPerRun(20, func() { chrome.AppendJA4(buf) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestALPN(t *testing.T) {
	tests := []struct{ in, want string }{
		{"", "00"}, {"h2", "h2"}, {"http/1.1", "h1"}, {"b", "bb"}, {"\xab", "ab"}, {"\xab\xcd", "ad"}, {"\x30\xab", "3b"},
		{"\x2a\x2a", "00"},
	}
	for _, tt := range tests {
		if a, z := alpnLetters([]byte(tt.in)); string([]byte{a, z}) != tt.want {
			t.Errorf("%q: got %c%c, want %s", tt.in, a, z, tt.want)
		}
	}
}

// The example of the JA3 repository of Salesforce.
func TestJA3(t *testing.T) {
	h := Hash([]byte("769,47-53-5-10-49161-49162-49171-49172-50-56-19-4,0-10-11,23-24-25,0"))
	if want := "ada70206e40642a3e4461f35503241d5"; string(h[:]) != want {
		t.Errorf("got %s, want %s", h, want)
	}
}

func TestGrease(t *testing.T) {
	n := 0
	for v := range 1 << 16 {
		if Grease(uint16(v)) {
			n++
		}
	}
	if n != 16 || !Grease(0x0a0a) || !Grease(0xfafa) || Grease(0x0a1a) {
		t.Errorf("%d values", n)
	}
}
