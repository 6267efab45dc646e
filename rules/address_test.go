package rules

import (
	"net/netip"
	"strings"
	"testing"
)

var testVars = Vars{
	Address: map[string]string{
		"HOME_NET": "[192.168.0.0/16,10.0.0.0/8]", "EXTERNAL_NET": "!$HOME_NET", "ANY": "any", "NOTHING": "!$ANY",
		"LOOP": "[$LOOP]", "EMPTY": "", "SIX": "2001:db8::/32", "A": "$B,$B", "B": "$C,$C", "C": "$D,$D", "D": "$E,$E", "E": "$A,$A",
	},
	Port: map[string]string{"HTTP_PORTS": "[80,8080]", "NOT_HTTP": "!$HTTP_PORTS", "LOOP": "$LOOP", "PLAIN": "80:81,88"},
}

func TestParseAddresses(t *testing.T) {
	tests := []struct {
		spec    string
		in, out string // addresses, blank-separated
	}{
		{"any", "0.0.0.0 255.255.255.255 :: ffff::", ""},
		{"1.1.1.1", "1.1.1.1", "1.1.1.0 1.1.1.2 ::101:101"},
		{"!1.1.1.1", "1.1.1.0 1.1.1.2 0.0.0.0 255.255.255.255", "1.1.1.1 2001:db8::1"},
		{"![1.1.1.1, 1.1.1.2]", "1.1.1.0 1.1.1.3", "1.1.1.1 1.1.1.2"},
		{"[10.0.0.0/24, !10.0.0.5]", "10.0.0.4 10.0.0.6 10.0.0.255", "10.0.0.5 10.0.1.0 9.255.255.255"},
		{"10.0.0.77/255.255.255.0", "10.0.0.0 10.0.0.255", "10.0.1.0"},
		{"10.0.0.5-10.0.0.7", "10.0.0.5 10.0.0.6 10.0.0.7", "10.0.0.4 10.0.0.8"},
		{"$HOME_NET", "192.168.1.1 10.255.255.255", "11.0.0.0 ::1"},
		{"$EXTERNAL_NET", "8.8.8.8 11.0.0.0", "10.0.0.0 192.168.255.255 ::1"},
		{"!$EXTERNAL_NET", "10.0.0.0 192.168.0.1", "8.8.8.8"},
		{"[$EXTERNAL_NET,!$HOME_NET]", "8.8.8.8", "10.0.0.1"},
		{"[any,!10.0.0.1]", "10.0.0.2 ::1", "10.0.0.1"},
		{"[10.0.0.0/8,![10.1.0.0/16,!10.1.1.0/24]]", "10.0.0.1 10.1.1.1 10.2.0.1", "10.1.0.1 10.1.2.1"},
		{"[[1.1.1.1,2.2.2.2],[3.3.3.3,!4.4.4.4]]", "1.1.1.1 2.2.2.2 3.3.3.3", "4.4.4.4"},
		{"2001:db8::/32", "2001:db8:: 2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db9:: 2001:db7:ffff:ffff:ffff:ffff:ffff:ffff 32.1.13.184"},
		{"::/0", ":: ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "1.1.1.1"},
		{"!$SIX", "2001:db7::", "2001:db8::1 1.1.1.1"},
		{"2001::1-2001::4", "2001::1 2001::4", "2001:: 2001::5"},
		{"[!1.1.1.1,fe80::/10]", "2.2.2.2 fe80::1", "1.1.1.1 2001::1"},
		{"0.0.0.0/0", "0.0.0.0 255.255.255.255", "::"},
		{"1.1.1.1,2.2.2.2,", "1.1.1.1 2.2.2.2", "3.3.3.3"},
		{"[1.1.1.0-1.1.1.5,1.1.1.6]", "1.1.1.0 1.1.1.6", "1.1.1.7"},
		{"10.0.0.0/32", "10.0.0.0", "10.0.0.1"},
	}
	for _, tt := range tests {
		t.Run(tt.spec, func(t *testing.T) {
			s, err := ParseAddresses(tt.spec, testVars)
			if err != nil {
				t.Fatal(err)
			}
			check := func(list string, want bool) {
				for _, x := range strings.Fields(list) {
					a := netip.MustParseAddr(x)
					b := a.As16()
					if s.ContainsAddr(a) != want || s.Contains(&b, a.Is4()) != want {
						t.Errorf("contains %s: %v", x, !want)
					}
					inPrefix := false
					for _, p := range s.Prefixes() {
						inPrefix = inPrefix || p.Contains(a)
					}
					inRange := false
					for _, r := range s.Ranges() {
						inRange = inRange || r.From.Is4() == a.Is4() && r.From.Compare(a) <= 0 && a.Compare(r.To) <= 0
					}
					if inPrefix != want || inRange != want {
						t.Errorf("%s: prefixes %v, ranges %v, want %v", x, inPrefix, inRange, want)
					}
				}
			}
			check(tt.in, true)
			check(tt.out, false)
			if got := strings.Contains(tt.spec, "!") || strings.Contains(tt.spec, "$EXT"); s.HasNegation() != got {
				t.Errorf("HasNegation is %v", !got)
			}
			if s.IsAny() != (tt.spec == "any") {
				t.Errorf("IsAny is %v", s.IsAny())
			}
		})
	}
}

func TestParseAddressesErrors(t *testing.T) {
	tests := []struct{ spec, want string }{
		{"[!any]", "every address is negated"},
		{"!any", "every address is negated"},
		{"$NOTHING", "every address is negated"},
		{"![0.0.0.0/1,128.0.0.0/1]", "every address is negated"},
		{"[10.0.0.1,!10.0.0.0/8]", "no address is left"},
		{"!::/0", "no address is left"},
		{"10.0.0.2-10.0.0.1", "reversed"},
		{"$NONE", "'NONE' is not defined"},
		{"$EMPTY", "is empty"},
		{"$LOOP", "nested more than 64"},
		{"$A", "nested more than 64"},
		{"10.0.0.0/33", "prefix length"},
		{"10.0.0.0/", "prefix length"},
		{"::/129", "prefix length"},
		{"10.0.0.0/255.0.255.0", "netmask has holes"},
		{"10.0.0", "cannot parse the address '10.0.0'"},
		{"01.0.0.1", "cannot parse"},
		{"fe80::1%eth0", "cannot parse"},
		{"[10.0.0.1", "not closed"},
		{"10.0.0.1]", "not opened"},
		{"[10.0.0.1,,10.0.0.2]", "an element is missing"},
		{"[10.0.0.1]x", "a comma is missing"},
		{"[]", "no address is left"},
		{"", "no address is left"},
		{"[1.1.1.1 ]", "cannot parse"},
	}
	for _, tt := range tests {
		t.Run(tt.spec, func(t *testing.T) {
			_, err := ParseAddresses(tt.spec, testVars)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestAddressKey(t *testing.T) {
	key := func(s string) string {
		a, err := ParseAddresses(s, testVars)
		if err != nil {
			t.Fatal(err)
		}
		return a.Key()
	}
	if key("$HOME_NET") != key("[10.0.0.0/9,10.128.0.0/9,192.168.0.0/255.255.0.0]") {
		t.Error("equal sets have different keys")
	}
	if key("$HOME_NET") == key("10.0.0.0/8") || key("0.0.0.0/0") == key("any") || key("::/0") == key("0.0.0.0/0") {
		t.Error("different sets have the same key")
	}
}

func TestContainsAllocates(t *testing.T) {
	s, err := ParseAddresses("[$HOME_NET,2001:db8::/32]", testVars)
	if err != nil {
		t.Fatal(err)
	}
	a := netip.MustParseAddr("10.1.1.1").As16()
	if n := testing.AllocsPerRun(100, func() { s.Contains(&a, true); s.Contains(&a, false) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestParsePorts(t *testing.T) {
	tests := []struct {
		spec, want string
	}{
		{"any", "any"},
		{"80", "[80]"},
		{"[80, 81, 82]", "[80:82]"},
		{"[80: 82]", "[80:82]"},
		{"[1024: ]", "[1024:65535]"},
		{":1023", "[0:1023]"},
		{"!80", "[0:79,81:65535]"},
		{"[80:100,!99]", "[80:98,100]"},
		{"[1:80,![2,4]]", "[1,3,5:80]"},
		{"[[1,2],[4,[6]]]", "[1:2,4,6]"},
		{"$HTTP_PORTS", "[80,8080]"},
		{"!$HTTP_PORTS", "[0:79,81:8079,8081:65535]"},
		{"$NOT_HTTP", "[0:79,81:8079,8081:65535]"},
		{"[$PLAIN,!81]", "[80,88]"},
		{"0:65535", "any"},
		{"63:64", "[63:64]"},
		{"ANY", "any"},
	}
	for _, tt := range tests {
		t.Run(tt.spec, func(t *testing.T) {
			s, err := ParsePorts(tt.spec, testVars)
			if err != nil {
				t.Fatal(err)
			}
			if s.String() != tt.want {
				t.Errorf("got %s, want %s", s.String(), tt.want)
			}
			in := make([]bool, 65536)
			for _, r := range s.Ranges() {
				for p := int(r.From); p <= int(r.To); p++ {
					in[p] = true
				}
			}
			for p := range 65536 {
				if s.Contains(uint16(p)) != in[p] {
					t.Fatalf("contains %d: %v", p, !in[p])
				}
			}
			if again, err := ParsePorts(s.String(), Vars{}); err != nil || again.Key() != s.Key() {
				t.Error("the key changes on the way through String")
			}
		})
	}
}

func TestParsePortsErrors(t *testing.T) {
	tests := []struct{ spec, want string }{
		{"!any", "every port is negated"},
		{"[80,!80]", "no port is left"},
		{"82:80", "reversed"},
		{"80:!82", "cannot hold a negation"},
		{"65536", "cannot parse the port '65536'"},
		{"http", "cannot parse the port"},
		{"$NONE", "not defined"},
		{"$LOOP", "nested"},
		{"[80", "not closed"},
		{"", "no port is left"},
	}
	for _, tt := range tests {
		t.Run(tt.spec, func(t *testing.T) {
			_, err := ParsePorts(tt.spec, testVars)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func FuzzAddresses(f *testing.F) {
	f.Add("[10.0.0.0/8,![10.1.0.0/16,!10.1.1.0/24],2001::1-2001::4]", "10.1.1.1")
	f.Add("!$EXTERNAL_NET", "fe80::1")
	f.Fuzz(func(t *testing.T, spec, addr string) {
		s, err := ParseAddresses(spec, testVars)
		if err != nil {
			return
		}
		a, err := netip.ParseAddr(addr)
		if err != nil || a.Zone() != "" {
			return
		}
		in := false
		for _, p := range s.Prefixes() {
			in = in || p.Contains(a)
		}
		if in != s.ContainsAddr(a) {
			t.Errorf("%q contains %s: %v", spec, addr, !in)
		}
	})
}

func FuzzPorts(f *testing.F) {
	f.Add("[1:80,![2,4],$HTTP_PORTS]")
	f.Fuzz(func(t *testing.T, spec string) {
		if s, err := ParsePorts(spec, testVars); err == nil && len(s.Ranges()) == 0 {
			t.Errorf("%q is empty", spec)
		}
	})
}
