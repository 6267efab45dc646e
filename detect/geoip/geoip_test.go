package geoip

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The encoding of MaxMind DB files (maxmind.github.io/MaxMind-DB, version 2.0), as far as a database of countries needs it.

func header(typ, n int) []byte {
	if typ > 7 { // extended types have a byte more
		return []byte{byte(n), byte(typ - 7)}
	}
	return []byte{byte(typ<<5 | n)}
}

func text(s string) []byte { return append(header(2, len(s)), s...) }

func number(typ int, v uint64) []byte {
	var b []byte
	for ; v > 0; v >>= 8 {
		b = append([]byte{byte(v)}, b...)
	}
	return append(header(typ, len(b)), b...)
}

func object(pairs ...any) []byte {
	b := header(7, len(pairs)/2)
	for _, p := range pairs {
		switch v := p.(type) {
		case string:
			b = append(b, text(v)...)
		case []byte:
			b = append(b, v...)
		}
	}
	return b
}

// network is an entry: where it is, and its record.
type network struct {
	prefix string
	record []byte
}

// database builds a file with records of 24 bits. Version 6 has IPv4 below ::/96.
func database(t *testing.T, version int, networks ...network) []byte {
	t.Helper()
	const empty = -1
	tree := [][2]int{{empty, empty}} // -2-i = network i
	var data []byte
	var at []int
	for i, n := range networks {
		p := netip.MustParsePrefix(n.prefix)
		bits := p.Bits()
		var addr []byte
		if version == 6 {
			a := make([]byte, 16)
			if p.Addr().Is4() {
				copy(a[12:], p.Addr().AsSlice())
				bits += 96
			} else {
				copy(a, p.Addr().AsSlice())
			}
			addr = a
		} else {
			addr = p.Addr().AsSlice()
		}
		node := 0
		for k := range bits {
			side := addr[k/8] >> (7 - k%8) & 1
			if k == bits-1 {
				tree[node][side] = -2 - i
				break
			}
			next := tree[node][side]
			if next < 0 {
				next = len(tree)
				tree = append(tree, [2]int{empty, empty})
				tree[node][side] = next
			}
			node = next
		}
		at = append(at, len(data))
		data = append(data, n.record...)
	}
	var b []byte
	for _, node := range tree {
		for _, v := range node {
			switch {
			case v == empty:
				v = len(tree)
			case v < empty:
				v = len(tree) + 16 + at[-2-v]
			}
			b = append(b, byte(v>>16), byte(v>>8), byte(v))
		}
	}
	b = append(b, make([]byte, 16)...)
	b = append(b, data...)
	b = append(b, "\xab\xcd\xefMaxMind.com"...)
	return append(b, object(
		"node_count", number(6, uint64(len(tree))), "record_size", number(5, 24), "ip_version", number(5, uint64(version)),
		"database_type", text("Country"), "languages", header(11, 0), "binary_format_major_version", number(5, 2),
		"binary_format_minor_version", number(5, 0), "build_epoch", number(9, 1700000000), "description", object())...)
}

func country(code string) []byte {
	return object("continent", object("code", text("EU")), "country", object("geoname_id", number(6, 2921044), "iso_code", text(code)))
}

func open(t *testing.T, b []byte) (*Table, error) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "x.mmdb")
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return Open(name)
}

func TestCountry(t *testing.T) {
	networks := []network{
		{"192.0.2.0/24", country("DE")},
		{"198.51.100.0/25", country("FR")},
		{"198.51.100.128/25", country("US")},
		{"203.0.113.7/32", country("JP")},
		{"203.0.113.8/32", object("registered_country", object("iso_code", text("GB")))},
		{"203.0.113.9/32", object("country", object("iso_code", number(6, 7)))},
	}
	tests := []struct {
		ip, want string
	}{
		{"192.0.2.0", "DE"}, {"192.0.2.255", "DE"},
		{"192.0.3.0", ""}, {"192.0.1.255", ""},
		{"198.51.100.127", "FR"}, {"198.51.100.128", "US"},
		{"203.0.113.7", "JP"}, {"203.0.113.6", ""},
		{"203.0.113.8", ""}, // where it is registered says nothing of where it is
		{"203.0.113.9", ""}, // not a text
		{"0.0.0.0", ""}, {"255.255.255.255", ""},
	}
	for _, version := range []int{4, 6} {
		table, err := open(t, database(t, version, networks...))
		if err != nil {
			t.Fatal(err)
		}
		for _, tt := range tests {
			t.Run(tt.ip, func(t *testing.T) {
				for _, which := range []string{"first", "again"} { // from the file, then from memory
					if got := table.Country(netip.MustParseAddr(tt.ip).As4()); got != tt.want {
						t.Errorf("version %d, %s: %q, want %q", version, which, got, tt.want)
					}
				}
			})
		}
	}
}

// Two records whose places in memory are the same must not be taken for each other.
func TestMemory(t *testing.T) {
	var networks []network
	want := map[[4]byte]string{}
	for i := range 3 * cacheSize {
		a := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		code := string([]byte{byte('A' + i%26), byte('A' + i/26%26)})
		networks = append(networks, network{netip.PrefixFrom(a, 32).String(), country(code)})
		want[a.As4()] = code
	}
	table, err := open(t, database(t, 4, networks...))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		for ip, code := range want {
			if got := table.Country(ip); got != code {
				t.Fatalf("%v: %q, want %q", ip, got, code)
			}
		}
	}
}

func TestOpen(t *testing.T) {
	good := database(t, 4, network{"192.0.2.0/24", country("DE")})
	tests := []struct {
		name string
		b    []byte
		want string
	}{
		{"no database", []byte("hello"), "cannot read"},
		{"empty", nil, "cannot read"},
		{"half", good[:len(good)/2], "cannot read"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := open(t, tt.b); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v", err)
			}
		})
	}
	if _, err := Open(filepath.Join(t.TempDir(), "none")); !os.IsNotExist(err) {
		t.Errorf("a file that is not there: %v", err)
	}
}

// A broken database must not bring the engine down, whatever is asked of it.
func TestBroken(t *testing.T) {
	good := database(t, 4, network{"192.0.2.0/24", country("DE")}, network{"128.0.0.0/1", country("FR")})
	for i := range good {
		b := append([]byte(nil), good...)
		b[i] ^= 0xff
		table, err := open(t, b)
		if err != nil {
			continue
		}
		for _, ip := range [][4]byte{{192, 0, 2, 1}, {200, 0, 0, 1}, {1, 2, 3, 4}} {
			table.Country(ip)
		}
	}
}
