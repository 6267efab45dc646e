package keyword

import (
	"sentinel/detect"
	"sentinel/stream/app"
)

// tlsStore asks for the certificates of the side that the rule matched on to be stored by the output tls-store.
func tlsStore() detect.Keyword {
	return detect.Keyword{Name: "tls_store", Alias: "tls.store", Doc: "store TLS/SSL certificate on disk", Flags: detect.NoValue, Setup: func(b *detect.Builder, _ string) error {
		if err := b.Restrict("tls"); err != nil {
			return err
		}
		b.Post("tls_store", keepCerts{}, detect.NeedFlow)
		return nil
	}}
}

type keepCerts struct{}

// Match marks the session.
func (keepCerts) Match(c *detect.Ctx) bool {
	if c.State == nil || c.State.Parser == nil {
		return true
	}
	t, ok := c.State.Next(0)
	if !ok {
		return true
	}
	if k, ok := t.(interface{ KeepCertificates(app.Dir) }); ok {
		k.KeepCertificates(c.Dir)
	}
	return true
}
