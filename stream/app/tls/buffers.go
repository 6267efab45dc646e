package tls

import (
	"bytes"
	"errors"

	"sentinel/stream/app"
)

// certificate makes a buffer that shows something of the first certificate of either side.
func certificate(name, alias, doc string, get func(*side) []byte) []app.Buffer {
	f := func(t *Tx, d app.Dir, _ *app.Scratch) []byte {
		if !t.side[d].hasCert {
			return nil
		}
		return get(&t.side[d])
	}
	bs := []app.Buffer{
		app.Bytes(name, doc, app.At(app.ToServer, clientCertDone), f),
		app.Bytes(name, doc, app.At(app.ToClient, serverCertDone), f),
	}
	bs[0].Alias, bs[1].Alias = alias, alias
	return bs
}

// hello makes a buffer that shows something of the hellos.
func hello(name, doc string, ts, tc uint8, get func(*side) []byte) []app.Buffer {
	f := func(t *Tx, d app.Dir, _ *app.Scratch) []byte { return get(&t.side[d]) }
	return []app.Buffer{app.Bytes(name, doc, app.At(app.ToServer, ts), f), app.Bytes(name, doc, app.At(app.ToClient, tc), f)}
}

// one makes a buffer of one side.
func one(name, alias, doc string, d app.Dir, progress uint8, get func(*side) []byte) app.Buffer {
	b := app.Bytes(name, doc, app.At(d, progress), func(t *Tx, _ app.Dir, _ *app.Scratch) []byte { return get(&t.side[d]) })
	b.Alias = alias
	return b
}

func ja3Hash(s *side) []byte {
	if !s.hasHash {
		return nil
	}
	return s.hash[:]
}

func ja3Text(s *side) []byte {
	if len(s.ja3) == 0 {
		return nil
	}
	return s.ja3
}

func random(from, to int) func(*side) []byte {
	return func(s *side) []byte {
		if !s.hasRandom {
			return nil
		}
		return s.random[from:to:to]
	}
}

var (
	errPrintLength  = errors.New("a fingerprint has 59 characters: this rule will never match")
	errPrintColons  = errors.New("a fingerprint has colons: this rule will never match")
	errSerialColons = errors.New("a serial number has colons: this rule will never match")
	errMD5          = errors.New("a hash has 32 hexadecimal digits: this rule will never match")
)

func checkPrint(content []byte, _ bool) error {
	switch {
	case len(content) != 59:
		return errPrintLength
	case bytes.IndexByte(content, ':') < 0:
		return errPrintColons
	}
	return nil
}

func checkSerial(content []byte, _ bool) error {
	if len(content) > 2 && bytes.IndexByte(content, ':') < 0 {
		return errSerialColons
	}
	return nil
}

func checkMD5(content []byte, _ bool) error {
	if len(content) != 32 {
		return errMD5
	}
	for _, c := range content {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
			return errMD5
		}
	}
	return nil
}

func buffers() []app.Buffer {
	sni := func(s *side) []byte {
		if len(s.sni) == 0 {
			return nil
		}
		return s.sni
	}
	bs := []app.Buffer{one("tls.sni", "tls_sni", "name of the host that the client asks for", toServer, clientHelloDone, sni)}
	bs = append(bs, certificate("tls.cert_subject", "tls_cert_subject", "subject of the certificate",
		func(s *side) []byte { return s.cert.Subject() })...)
	bs = append(bs, certificate("tls.cert_issuer", "tls_cert_issuer", "issuer of the certificate",
		func(s *side) []byte { return s.cert.Issuer() })...)
	serial := certificate("tls.cert_serial", "tls_cert_serial", "serial number of the certificate",
		func(s *side) []byte { return s.cert.Serial() })
	prints := certificate("tls.cert_fingerprint", "tls_cert_fingerprint", "SHA-1 of the certificate",
		func(s *side) []byte { return s.print[:] })
	for i := range serial {
		serial[i].Check, serial[i].Rewrite = checkSerial, bytes.ToUpper
		prints[i].Check, prints[i].Rewrite = checkPrint, bytes.ToLower
	}
	bs = append(append(bs, serial...), prints...)

	certs := func(t *Tx, d app.Dir, i int, _ *app.Scratch) ([]byte, bool) { return t.Certificate(d, i) }
	bs = append(bs, app.Multi("tls.certs", "the certificates", app.At(app.ToClient, serverCertDone), certs),
		app.Multi("tls.certs", "the certificates", app.At(app.ToServer, clientCertDone), certs))
	alpn := func(t *Tx, d app.Dir, i int, _ *app.Scratch) ([]byte, bool) { return t.side[d].alpnAt(i) }
	bs = append(bs, app.Multi("tls.alpn", "names of application protocols", app.At(app.ToServer, clientHelloDone), alpn),
		app.Multi("tls.alpn", "names of application protocols", app.At(app.ToClient, serverHello), alpn),
		app.Multi("tls.subjectaltname", "alternative names of the certificate", app.At(app.ToClient, serverCertDone),
			func(t *Tx, _ app.Dir, i int, _ *app.Scratch) ([]byte, bool) {
				s := &t.side[toClient]
				if !s.hasCert || i >= s.cert.Names() {
					return nil, false
				}
				return s.cert.Name(i), true
			}))
	bs = append(bs, hello("tls.random", "random value of the hello", app.Any, app.Any, random(0, 32))...)
	bs = append(bs, hello("tls.random_time", "first four bytes of the random value", clientHelloDone, serverHello,
		random(0, 4))...)
	bs = append(bs, hello("tls.random_bytes", "random value without its first four bytes", clientHelloDone, serverHello,
		random(4, 32))...)

	hash := one("ja3.hash", "ja3_hash", "JA3 of the client's hello", toServer, clientHelloDone, ja3Hash)
	hashS := one("ja3s.hash", "", "JA3S of the server's hello", toClient, serverHello, ja3Hash)
	hash.Check, hash.Rewrite, hashS.Check, hashS.Rewrite = checkMD5, bytes.ToLower, checkMD5, bytes.ToLower
	ja4 := app.Bytes("ja4.hash", "JA4 of the client's hello", app.At(app.ToServer, clientHelloDone),
		func(t *Tx, _ app.Dir, _ *app.Scratch) []byte { return t.JA4() })
	ja4.Alias = "ja4_hash"
	return append(bs, hash, one("ja3.string", "ja3_string", "text that JA3 hashes", toServer, clientHelloDone, ja3Text),
		hashS, one("ja3s.string", "", "text that JA3S hashes", toClient, serverHello, ja3Text), ja4)
}

func numbers() []app.Number {
	return []app.Number{app.Num("tls.cert_chain_len", "number of certificates of the server", app.At(app.ToClient, serverCertDone), 32,
		nil, func(t *Tx, d app.Dir) (uint64, bool) { return uint64(t.Certificates(d)), true })}
}
