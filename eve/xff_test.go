package eve

import "testing"

func TestPickForwarded(t *testing.T) {
	tests := []struct {
		value string
		first bool
		want  string
	}{
		{"192.0.2.60", false, "192.0.2.60"},
		{"192.0.2.60:8080", false, "192.0.2.60"},
		{"192.0.2.1, 192.0.2.2, 192.0.2.3", false, "192.0.2.3"},
		{"192.0.2.1, 192.0.2.2, 192.0.2.3", true, "192.0.2.1"},
		{"[2001:db8::1]:80", false, "2001:db8::1"},
		{"[2001:db8::1", false, ""},
		{"2001:db8::1", true, "2001:db8::1"},
		{"unknown-host", false, ""},
		{"192.0.2.256", false, ""},
		{"::1%lo-and-behold", false, ""},
		{"1.1.1.", false, ""},
		{"", true, ""},
	}
	for _, tt := range tests {
		if got := string(pickForwarded([]byte(tt.value), tt.first)); got != tt.want {
			t.Errorf("%q, first %v: %q, want %q", tt.value, tt.first, got, tt.want)
		}
	}
}
