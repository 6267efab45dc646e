package x509

import (
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// Error says why a certificate could not be read.
type Error uint8

// The errors.
const (
	OK Error = iota
	InvalidCertificate
	InvalidLength
	InvalidVersion
	InvalidSerial
	InvalidAlgorithm
	InvalidName
	InvalidDate
	InvalidExtensions
	InvalidDER
)

const maxNames = 4096 // alternative names that are kept

type span struct{ off, n int32 }

// Cert is what is known of a certificate. It owns its memory and can be parsed into again.
type Cert struct {
	NotBefore, NotAfter     int64 // seconds since 1970
	subject, issuer, serial span
	sans                    []span
	buf                     []byte
}

func (c *Cert) bytes(s span) []byte { return c.buf[s.off : s.off+s.n : s.off+s.n] }

// Subject returns the subject's name: "C=DE, O=Example, CN=www.example.com".
func (c *Cert) Subject() []byte { return c.bytes(c.subject) }

// Issuer returns the issuer's name.
func (c *Cert) Issuer() []byte { return c.bytes(c.issuer) }

// Serial returns the serial number in upper-case hex with colons.
func (c *Cert) Serial() []byte { return c.bytes(c.serial) }

// Names is the number of alternative names of the subject.
func (c *Cert) Names() int { return len(c.sans) }

// Name returns an alternative name.
func (c *Cert) Name(i int) []byte { return c.bytes(c.sans[i]) }

// Reset empties the certificate and gives up memory that is unusually large.
func (c *Cert) Reset() {
	if cap(c.buf) > 1<<13 {
		c.buf = nil
	}
	if cap(c.sans) > 256 {
		c.sans = nil
	}
	*c = Cert{sans: c.sans[:0], buf: c.buf[:0]}
}

// since makes a span of what was appended to buf since its length was n.
func (c *Cert) since(n int) span { return span{int32(n), int32(len(c.buf) - n)} }

// Parse reads a certificate. What was read before an error is void.
func (c *Cert) Parse(der []byte) Error {
	c.Reset()
	body, _, err := expect(der, tagSequence)
	if err != OK {
		return err
	}
	b, rest, err := expect(body, tagSequence)
	if err != OK {
		return err
	}
	if err := c.tbs(b); err != OK {
		return err
	}
	if _, rest, err = expect(rest, tagSequence); err != OK {
		return InvalidAlgorithm
	}
	if _, _, err = expect(rest, tagBitString); err != OK {
		return InvalidCertificate
	}
	return OK
}

// tbs reads the signed part (RFC 5280, 4.1).
func (c *Cert) tbs(b []byte) Error {
	if e, rest, err := next(b); err == OK && e.class == 2 && e.tag == 0 {
		v, _, err := expect(e.data, tagInteger)
		if err != OK || len(v) == 0 || len(v) > 5 || v[0]&0x80 != 0 {
			return InvalidVersion
		}
		b = rest
	}
	e, b, err := next(b)
	if err != OK || e.tag != tagInteger {
		return InvalidSerial
	}
	n := len(c.buf)
	c.buf = appendHex(c.buf, e.data, ':')
	c.serial = c.since(n)
	if _, b, err = expect(b, tagSequence); err != OK {
		return InvalidAlgorithm
	}
	name, b, err := expect(b, tagSequence)
	if err != OK {
		return err
	}
	c.issuer = c.name(name)
	validity, b, err := expect(b, tagSequence)
	if err != OK {
		return err
	}
	var ok bool
	if c.NotBefore, validity, ok = date(validity); !ok {
		return InvalidDate
	}
	if c.NotAfter, _, ok = date(validity); !ok {
		return InvalidDate
	}
	if name, b, err = expect(b, tagSequence); err != OK {
		return err
	}
	c.subject = c.name(name)
	if _, b, err = expect(b, tagSequence); err != OK { // public key
		return err
	}
	for range 2 { // unique identifiers of issuer and subject
		if e, rest, err := next(b); err == OK && e.class == 2 && (e.tag == 1 || e.tag == 2) {
			b = rest
		}
	}
	if len(b) == 0 {
		return OK
	}
	if e, b, err = next(b); err != OK || e.tag != 3 || len(b) != 0 {
		return InvalidExtensions
	}
	return c.extensions(e.data)
}

var oidSubjectAltName = string([]byte{0x55, 0x1d, 0x11})

func (c *Cert) extensions(b []byte) Error {
	b, rest, err := expect(b, tagSequence)
	if err != OK {
		return err
	}
	if len(rest) != 0 {
		return InvalidExtensions
	}
	var names []byte
	found := 0
	for len(b) > 0 {
		ext, more, err := expect(b, tagSequence)
		if err != OK {
			return InvalidCertificate
		}
		b = more
		oid, ext, err := expect(ext, tagOID)
		if err != OK {
			return InvalidCertificate
		}
		if len(ext) >= 3 && ext[0] == 1 && ext[1] == 1 { // critical
			ext = ext[3:]
		}
		value, _, err := expect(ext, tagOctetString)
		if err != OK {
			return InvalidCertificate
		}
		if string(oid) == oidSubjectAltName {
			names = value
			found++
		}
	}
	if found == 1 {
		c.altNames(names)
	}
	return OK
}

// altNames reads the alternative names; if one of them is broken, there are none.
func (c *Cert) altNames(b []byte) {
	b, _, err := expect(b, tagSequence)
	if err != OK {
		return
	}
	start := len(c.buf)
	for len(b) > 0 && len(c.sans) < maxNames {
		e, rest, err := next(b)
		b = rest
		n := len(c.buf)
		if err != OK || e.class != 2 || !c.altName(e) {
			c.sans, c.buf = c.sans[:0], c.buf[:start]
			return
		}
		c.sans = append(c.sans, c.since(n))
	}
}

func (c *Cert) altName(e element) bool {
	wrap := func(kind string, v []byte) bool {
		c.buf = append(append(append(append(c.buf, kind...), '('), v...), ')')
		return utf8.Valid(v)
	}
	switch e.tag {
	case 0:
		oid, _, err := expect(e.data, tagOID)
		if err != OK {
			return false
		}
		c.buf = appendOID(append(c.buf, "OtherName("...), oid)
		c.buf = append(c.buf, ", [...])"...)
	case 1:
		return wrap("RFC822Name", e.data)
	case 2, 6: // DNS name, URI
		c.buf = append(c.buf, e.data...)
		return utf8.Valid(e.data)
	case 3:
		return wrap("X400Address", []byte("<unparsed>"))
	case 4:
		name, rest, err := expect(e.data, tagSequence)
		if err != OK || len(rest) > 0 {
			return false
		}
		c.buf = append(c.buf, "DirectoryName("...)
		c.name(name)
		c.buf = append(c.buf, ')')
	case 5:
		return wrap("EDIPartyName", []byte("<unparsed>"))
	case 7: // the address as a list of bytes
		c.buf = append(c.buf, '[')
		for i, v := range e.data {
			if i > 0 {
				c.buf = append(c.buf, ", "...)
			}
			c.buf = strconv.AppendUint(c.buf, uint64(v), 10)
		}
		c.buf = append(c.buf, ']')
	case 8:
		c.buf = append(appendOID(append(c.buf, "RegisteredID("...), e.data), ')')
	default:
		return false
	}
	return true
}

// name appends a distinguished name to buf: sets with commas between them, their attributes with plus signs. What comes after a
// set that cannot be read is left out.
func (c *Cert) name(b []byte) span {
	start := len(c.buf)
	for len(b) > 0 {
		set, rest, err := expect(b, tagSet)
		if err != OK {
			break
		}
		b = rest
		begin, attributes := len(c.buf), 0
		for len(set) > 0 {
			attr, rest, err := expect(set, tagSequence)
			if err != OK {
				break
			}
			oid, value, err := expect(attr, tagOID)
			if err != OK {
				break
			}
			v, _, err := next(value)
			if err != OK {
				break
			}
			set = rest
			switch {
			case attributes > 0:
				c.buf = append(c.buf, " + "...)
			case begin > start:
				c.buf = append(c.buf, ", "...)
			}
			attributes++
			c.buf = append(appendAttribute(c.buf, oid), '=')
			if !c.value(v) {
				c.buf = append(c.buf[:start], "<X509Error: Invalid X.509 name>"...)
				return c.since(start)
			}
		}
		if attributes == 0 {
			break
		}
	}
	return c.since(start)
}

// value appends the value of an attribute. It returns false for text in a broken encoding.
func (c *Cert) value(v element) bool {
	switch {
	case v.class == 0 && v.tag == tagBMP:
		if len(v.data)%2 != 0 {
			return false
		}
		for i := 0; i < len(v.data); i += 2 {
			r := rune(v.data[i])<<8 | rune(v.data[i+1])
			if utf16.IsSurrogate(r) {
				if i+3 >= len(v.data) {
					return false
				}
				if r = utf16.DecodeRune(r, rune(v.data[i+2])<<8|rune(v.data[i+3])); r == utf8.RuneError {
					return false
				}
				i += 2
			}
			c.buf = utf8.AppendRune(c.buf, r)
		}
	case v.class == 0 && (v.tag == 7 || v.tag == tagUTF8 || v.tag >= 18 && v.tag <= 22 || v.tag >= 25 && v.tag <= 27):
		// ObjectDescriptor, UTF8, Numeric, Printable, T61, Videotex, IA5, Graphic, Visible, General: all are taken for UTF-8
		c.buf = append(c.buf, v.data...)
		return utf8.Valid(v.data)
	default:
		c.buf = appendHex(c.buf, v.data, 0)
	}
	return true
}
