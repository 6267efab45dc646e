package x509

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"net"
	"net/url"
	"testing"
	"time"
)

func certificate(t testing.TB, c *x509.Certificate) []byte {
	t.Helper()
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, pub, key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func template() *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(0xab00cd),
		NotBefore:    time.Date(2016, 2, 29, 1, 2, 3, 0, time.UTC),
		NotAfter:     time.Date(2050, 1, 1, 0, 0, 0, 0, time.UTC), // a GeneralizedTime
		Subject: pkix.Name{Country: []string{"DE"}, Organization: []string{"Beispiel, Söhne"}, CommonName: "www.example.com",
			SerialNumber: "7", ExtraNames: []pkix.AttributeTypeAndValue{
				{Type: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}, Value: "a@example.com"},
				{Type: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 99999, 1}, Value: "x"},
				{Type: asn1.ObjectIdentifier{2, 5, 4, 45}, Value: 258},
			}},
		DNSNames:       []string{"www.example.com", "example.com"},
		EmailAddresses: []string{"a@example.com"},
		IPAddresses:    []net.IP{net.IPv4(192, 0, 2, 1).To4()},
		URIs:           []*url.URL{{Scheme: "https", Host: "example.com"}},
	}
}

// The spelling of names is the reference's: rust/src/x509 and the crate below it.
func TestParse(t *testing.T) {
	der := certificate(t, template())
	var c Cert
	if err := c.Parse(der); err != OK {
		t.Fatalf("error %d", err)
	}
	name := "C=DE, O=Beispiel, Söhne, CN=www.example.com, serialNumber=7, Email=a@example.com, OID(1.3.6.1.4.1.99999.1)=x, " +
		"uniqueIdentifier=0102"
	if got := string(c.Subject()); got != name {
		t.Errorf("subject %q, want %q", got, name)
	}
	if got := string(c.Issuer()); got != name {
		t.Errorf("issuer %q", got)
	}
	if got := string(c.Serial()); got != "00:AB:00:CD" {
		t.Errorf("serial %q", got)
	}
	if c.NotBefore != template().NotBefore.Unix() || c.NotAfter != template().NotAfter.Unix() {
		t.Errorf("validity %d %d", c.NotBefore, c.NotAfter)
	}
	want := []string{"www.example.com", "example.com", "RFC822Name(a@example.com)", "[192, 0, 2, 1]", "https://example.com"}
	for i, w := range want {
		if i >= c.Names() || string(c.Name(i)) != w {
			t.Fatalf("name %d of %d is not %q", i, c.Names(), w)
		}
	}
	if n := testing.AllocsPerRun(20, func() { c.Parse(der) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestDamage(t *testing.T) {
	der := certificate(t, template())
	var c Cert
	for n := range der {
		if err := c.Parse(der[:n]); err == OK {
			t.Errorf("the first %d of %d bytes are good", n, len(der))
		}
	}
	tests := []struct {
		name string
		der  string
		want Error
	}{
		{"nothing", "", InvalidLength},
		{"no sequence", "\x02\x01\x00", InvalidDER},
		{"indefinite length", "\x30\x80\x00\x00", InvalidDER},
		{"version", "\x30\x0a\x30\x08\xa0\x03\x04\x01\x00\x02\x01\x01", InvalidVersion},
		{"serial", "\x30\x0a\x30\x08\xa0\x03\x02\x01\x02\x04\x01\x01", InvalidSerial},
		{"algorithm", "\x30\x05\x30\x03\x02\x01\x01", InvalidAlgorithm},
		{"date", "\x30\x10\x30\x0e\x02\x01\x01\x30\x00\x30\x00\x30\x05\x17\x03160", InvalidDate},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := c.Parse([]byte(tt.der)); err != tt.want {
				t.Errorf("error %d, want %d", err, tt.want)
			}
		})
	}
}

func TestDates(t *testing.T) {
	tests := []struct {
		der  string
		want string
	}{
		{"\x17\x0d160229010203Z", "2016-02-29T01:02:03Z"},
		{"\x17\x0b1602290102Z", "2016-02-29T01:02:00Z"},
		{"\x17\x0d500101000000Z", "1950-01-01T00:00:00Z"},
		{"\x17\x11370116130016+0100", "2037-01-16T12:00:16Z"},
		{"\x18\x0f20500101000000Z", "2050-01-01T00:00:00Z"},
		{"\x18\x1120500101000000.5Z", "2050-01-01T00:00:00Z"},
		{"\x18\x0d205001010000Z", "2050-01-01T00:00:00Z"},
		{"\x18\x1320500101000000-0800", ""},
		{"\x18\x0e20500101000000", ""},
		{"\x18\x0b2050010100Z", ""},
		{"\x17\x0c160101000000", ""},
		{"\x17\x0d170229010203Z", ""},
		{"\x17\x0d161301010203Z", ""},
		{"\x17\x0d160101240000Z", ""},
		{"\x17\x0d16010a010203Z", ""},
		{"\x04\x01Z", ""},
	}
	for _, tt := range tests {
		secs, _, ok := date([]byte(tt.der))
		got := ""
		if ok {
			got = time.Unix(secs, 0).UTC().Format(time.RFC3339)
		}
		if got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.der, got, tt.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(certificate(f, template()))
	f.Fuzz(func(t *testing.T, b []byte) {
		var c Cert
		if c.Parse(b) != OK {
			return
		}
		c.Subject()
		c.Issuer()
		c.Serial()
		for i := range c.Names() {
			c.Name(i)
		}
	})
}
