package tls

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"

	"sentinel/stream/app"
)

// test is a condition on a session.
type test func(t *Tx, d app.Dir) bool

// keyword makes a match of both directions.
func keyword(name, alias, doc string, ts, tc uint8, setup func(value string) (test, string, error)) []app.Match {
	m := app.Match{Name: name, Alias: alias, Doc: doc, Setup: func(value string) (func(app.Transaction, app.Dir) bool, string, error) {
		f, key, err := setup(value)
		if err != nil {
			return nil, "", fmt.Errorf("%s: %w", name, err)
		}
		return func(tx app.Transaction, d app.Dir) bool {
			t, ok := tx.(*Tx)
			return ok && f(t, d)
		}, key, nil
	}}
	both := []app.Match{m, m}
	both[0].At, both[1].At = app.At(app.ToServer, ts), app.At(app.ToClient, tc)
	return both
}

func matches() []app.Match {
	const any = app.Any
	ms := keyword("tls.version", "", "version of the session", any, any, setupVersion)
	ms = append(ms, keyword("ssl_version", "", "version of the record", any, any, setupSSLVersion)...)
	ms = append(ms, keyword("ssl_state", "", "what the newest records brought", any, any, setupState)...)
	ms = append(ms, keyword("tls.subject", "", "subject of the certificate contains", clientCertDone, serverCertDone,
		contains(func(s *side) []byte { return s.cert.Subject() }, false))...)
	ms = append(ms, keyword("tls.issuerdn", "", "issuer of the certificate contains", clientCertDone, serverCertDone,
		contains(func(s *side) []byte { return s.cert.Issuer() }, false))...)
	ms = append(ms, keyword("tls.fingerprint", "", "SHA-1 of the certificate contains", clientCertDone, serverCertDone,
		contains(func(s *side) []byte { return s.print[:] }, true))...)
	notBefore := func(s *side) int64 { return s.cert.NotBefore }
	notAfter := func(s *side) int64 { return s.cert.NotAfter }
	ms = append(ms, keyword("tls_cert_notbefore", "", "begin of the certificate's validity", clientCertDone, serverCertDone,
		setupDate(notBefore))...)
	ms = append(ms, keyword("tls_cert_notafter", "", "end of the certificate's validity", clientCertDone, serverCertDone,
		setupDate(notAfter))...)
	ms = append(ms, keyword("tls_cert_expired", "", "the certificate has expired", clientCertDone, serverCertDone,
		setupExpired(true))...)
	return append(ms, keyword("tls_cert_valid", "", "the certificate has not expired", clientCertDone, serverCertDone,
		setupExpired(false))...)
}

// unquote takes the quotes off a value.
func unquote(v string) string {
	v = strings.TrimSpace(v)
	if len(v) >= 2 && v[0] == '"' && v[len(v)-1] == '"' {
		v = v[1 : len(v)-1]
	}
	return v
}

func setupVersion(value string) (test, string, error) {
	v := unquote(value)
	var want uint16
	raw := false
	switch {
	case strings.HasPrefix(v, "1.0"):
		want = version10
	case strings.HasPrefix(v, "1.1"):
		want = version11
	case strings.HasPrefix(v, "1.2"):
		want = version12
	case strings.HasPrefix(v, "1.3"):
		want = version13
	case strings.HasPrefix(v, "0x") && len(v) == 6:
		n, err := strconv.ParseUint(v[2:], 16, 16)
		if err != nil {
			return nil, "", fmt.Errorf("%q is no version", value)
		}
		want, raw = uint16(n), true
	default:
		return nil, "", fmt.Errorf("%q is no version", value)
	}
	return func(t *Tx, d app.Dir) bool {
		got := t.side[d].version
		if !raw && got>>8 == 0x7f { // drafts
			got = version13
		}
		return got == want
	}, fmt.Sprintf("%04x %v", want, raw), nil
}

// versionClasses are the words of ssl_version.
var versionClasses = []string{"sslv2", "sslv3", "tls1.0", "tls1.1", "tls1.2", "tls1.3"}

func versionClass(v uint16) int {
	switch {
	case v == version2:
		return 0
	case v >= 0x0300 && v <= version13:
		return int(v-0x0300) + 1
	case v == version13PreDraft16, v >= 0x7f10 && v <= 0x7f1c:
		return 5
	}
	return -1
}

func setupSSLVersion(value string) (test, string, error) {
	v := strings.TrimSpace(value)
	not := strings.HasPrefix(v, "!")
	v = strings.TrimPrefix(v, "!")
	var set uint8
	for _, word := range strings.FieldsFunc(v, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' }) {
		found := false
		for i, name := range versionClasses {
			if strings.EqualFold(name, word) {
				if set>>i&1 != 0 {
					return nil, "", fmt.Errorf("%q is there twice", word)
				}
				set |= 1 << i
				found = true
			}
		}
		if !found {
			return nil, "", fmt.Errorf("%q is no version", word)
		}
	}
	if set == 0 {
		return nil, "", fmt.Errorf("no version in %q", value)
	}
	return func(t *Tx, d app.Dir) bool {
		c := versionClass(t.side[d].version)
		return c >= 0 && (set>>c&1 != 0) != not
	}, fmt.Sprintf("%x %v", set, not), nil
}

func setupState(value string) (test, string, error) {
	words := map[string]uint32{"client_hello": flagClientHello, "server_hello": flagServerHello, "client_keyx": flagClientKeyx,
		"server_keyx": flagServerKeyx, "unknown": flagUnknown}
	var set, mask uint32
	for _, w := range strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == '|' }) {
		w = strings.TrimSpace(w)
		name := strings.TrimPrefix(w, "!")
		bit, ok := words[name]
		if !ok {
			return nil, "", fmt.Errorf("%q is no state", w)
		}
		set |= bit
		if name != w {
			mask |= bit
		}
	}
	if set == 0 {
		return nil, "", fmt.Errorf("no state in %q", value)
	}
	return func(t *Tx, _ app.Dir) bool { return set&t.current^mask != 0 }, fmt.Sprintf("%x %x", set, mask), nil
}

func contains(get func(*side) []byte, lower bool) func(string) (test, string, error) {
	return func(value string) (test, string, error) {
		v := strings.TrimSpace(value)
		not := strings.HasPrefix(v, "!")
		v = unquote(strings.TrimPrefix(v, "!"))
		if v == "" {
			return nil, "", fmt.Errorf("no value in %q", value)
		}
		if lower {
			v = strings.ToLower(v)
		}
		want := []byte(v)
		return func(t *Tx, d app.Dir) bool {
			s := &t.side[d]
			return s.hasCert && bytes.Contains(get(s), want) != not
		}, fmt.Sprintf("%v %s", not, v), nil
	}
}

// dateLayouts are the forms of a date in rules, parts of ISO 8601.
var dateLayouts = []string{"2006", "2006-1", "2006-1-2", "2006-1-2 15", "2006-1-2 15:4", "2006-1-2 15:4:5", "2006-1-2T15",
	"2006-1-2T15:4", "2006-1-2T15:4:5"}

// parseDate reads a date, or seconds since 1970; four digits are a year.
func parseDate(s string) (int64, bool) {
	s = strings.TrimSpace(s)
	if n, err := strconv.ParseUint(s, 10, 62); err == nil && len(s) != 4 {
		return int64(n), true
	}
	for _, l := range dateLayouts {
		if t, err := time.Parse(l, s); err == nil {
			return t.Unix(), true
		}
	}
	return 0, false
}

func setupDate(get func(*side) int64) func(string) (test, string, error) {
	return func(value string) (test, string, error) {
		v := strings.TrimSpace(value)
		bad := fmt.Errorf("%q is no date", value)
		var low, high int64
		var ok bool
		if a, b, isRange := strings.Cut(v, "<>"); isRange {
			if low, ok = parseDate(a); !ok {
				return nil, "", bad
			}
			if high, ok = parseDate(b); !ok || high <= low {
				return nil, "", bad
			}
		} else {
			if low, ok = parseDate(strings.TrimLeft(v, "<>")); !ok {
				return nil, "", bad
			}
			high = low
			switch v[0] {
			case '<':
				low = -1 << 62
			case '>':
				high = 1 << 62
			}
		}
		return func(t *Tx, d app.Dir) bool {
			s := &t.side[d]
			at := get(s)
			return s.hasCert && at != 0 && at >= low && at <= high
		}, fmt.Sprintf("%d %d", low, high), nil
	}
}

func setupExpired(expired bool) func(string) (test, string, error) {
	return func(string) (test, string, error) {
		return func(t *Tx, d app.Dir) bool {
			s := &t.side[d]
			return s.hasCert && s.cert.NotAfter != 0 && (t.now/1e9 > s.cert.NotAfter) == expired
		}, fmt.Sprint(expired), nil
	}
}
