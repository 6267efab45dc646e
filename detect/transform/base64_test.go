package transform_test

import (
	"testing"

	"sentinel/detect/transform"
)

// The expectations for RFC4648 are verdicts of Suricata 8.0.7 (base64_decode), those for RFC2045 its documentation's.
func TestDecodeBase64(t *testing.T) {
	for _, c := range []struct {
		in   string
		mode transform.Base64Mode
		want string
	}{
		{"Zm9v", transform.RFC4648, "foo"},
		{"Zm9vYg", transform.RFC4648, "foob"},
		{"Zm9vYW=", transform.RFC4648, "fooa"},
		{"Zm9v YWJj", transform.RFC4648, "foo"},
		{"Zm9vYg==YWJj", transform.RFC4648, "foobabc"},
		{"Zm9vYWI=YWJj", transform.RFC4648, "fooababc"},
		{"Zm9vY", transform.RFC4648, ""},
		{"Zm9v=YWJj", transform.RFC4648, ""},
		{"Zm 9v Ym Fy", transform.RFC2045, "foobar"},
		{"Zm$9vYm.Fy", transform.RFC2045, "foobar"},
		{"Zm 9v Ym Fy", transform.RFC4648, "f"},
		{"Zm9vY", transform.RFC2045, "foo"},
		{"Zm9v", transform.Strict, "foo"},
		{"Zm\n9v", transform.Strict, ""},
		{"Zm9vYg", transform.Strict, ""},
	} {
		if got := string(transform.DecodeBase64(nil, []byte(c.in), c.mode)); got != c.want {
			t.Errorf("%q mode %d: got %q, want %q", c.in, c.mode, got, c.want)
		}
	}
}
