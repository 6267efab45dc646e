package eve

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"sentinel/internal/conf"
	"sentinel/stream"
	"sentinel/stream/app"
	"sentinel/stream/flow"
)

// certStore is the output tls-store: the certificates that rules ask for, as PEM, each chain with a description beside it.
type certStore struct {
	dir   string
	proto app.ProtoID
	last  atomic.Uint32 // number of the newest file
	said  atomic.Uint32 // complaints so far
	warn  func(format string, args ...any)
}

// maxCertComplaints bounds how often the output complains of the file system.
const maxCertComplaints = 6

// certHolder is a transaction that carries certificates.
type certHolder interface {
	TakeCertificates(d app.Dir) bool
	Certificate(d app.Dir, i int) ([]byte, bool)
	Holder(d app.Dir) (subject, issuer, print []byte)
}

func (o *Output) addCertStore(n *conf.Node) error {
	if o.certs != nil || o.opt.Registry == nil {
		return nil
	}
	s := &certStore{dir: n.Get("certs-log-dir").Str(""), warn: o.warn}
	if !filepath.IsAbs(s.dir) {
		s.dir = filepath.Join(o.opt.Dir, s.dir)
	}
	for id := flow.ProtoFirst; int(id) < o.opt.Registry.Len(); id++ {
		if p := o.opt.Registry.ByID(id); p != nil && p.Name == "tls" {
			s.proto = id
		}
	}
	if s.proto == flow.ProtoUnknown {
		return nil
	}
	if err := os.MkdirAll(s.dir, 0o754); err != nil {
		return fmt.Errorf("cannot make the directory of certificates: %w", err)
	}
	o.certs = s
	return nil
}

// keep writes what rules want of a session.
func (s *certStore) keep(w *Worker, u *stream.Unit, st *stream.State) {
	t, ok := st.Next(0)
	if !ok {
		return
	}
	h, ok := t.(certHolder)
	if !ok {
		return
	}
	for _, d := range [2]app.Dir{app.ToClient, app.ToServer} {
		if h.TakeCertificates(d) {
			if err := s.write(w, u, h, d); err != nil && s.said.Add(1) <= maxCertComplaints {
				s.warn("tls-store: %v", err)
			}
		}
	}
}

// maxChain bounds the certificates of a stored chain.
const maxChain = 256

func (s *certStore) write(w *Worker, u *stream.Unit, h certHolder, d app.Dir) error {
	p := u.Packet
	who := ""
	if d == app.ToServer {
		who = "client-"
	}
	name := filepath.Join(s.dir, fmt.Sprintf("%s%d.%d-%d", who, p.Time/1e9, p.Time%1e9/1e3, s.last.Add(1)))
	var b bytes.Buffer
	for i := range maxChain {
		der, ok := h.Certificate(d, i)
		if !ok {
			break
		}
		if err := pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: der}); err != nil {
			return err
		}
	}
	if err := os.WriteFile(name+".pem", b.Bytes(), 0o644); err != nil {
		return err
	}
	b.Reset()
	f := u.Flow
	src, dst := p.Src, p.Dst
	sp, dp := p.SrcPort, p.DstPort
	if u.Dir == flow.ToClient {
		src, dst, sp, dp = dst, src, dp, sp
	}
	fmt.Fprintf(&b, "TIME:              %s\n", time.Unix(0, p.Time).Format("01/02/2006-15:04:05.000000"))
	if u.Count > 0 {
		fmt.Fprintf(&b, "PCAP PKT NUM:      %d\n", u.Count)
	}
	fmt.Fprintf(&b, "SRC IP:            %s\nDST IP:            %s\nPROTO:             %d\nSRC PORT:          %d\nDST PORT:          %d\n",
		src.Netip(f.IPVersion), dst.Netip(f.IPVersion), f.Proto, sp, dp)
	subject, issuer, print := h.Holder(d)
	fmt.Fprintf(&b, "TLS SUBJECT:       %s\nTLS ISSUERDN:      %s\nTLS FINGERPRINT:   %s\n", subject, issuer, print)
	return os.WriteFile(name+".meta", b.Bytes(), 0o644)
}
