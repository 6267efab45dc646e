// Package all is the list of the application protocols, in the order of their ids. It knows nothing but their names.
package all

import (
	"sentinel/stream/app"
	"sentinel/stream/app/dns"
	"sentinel/stream/app/http1"
	"sentinel/stream/app/smtp"
	"sentinel/stream/app/tls"
)

// Protocols returns the descriptors of all protocols. The order decides which one is asked first when several could be it.
func Protocols() []*app.Protocol {
	return []*app.Protocol{
		http1.Protocol(),
		tls.Protocol(),
		smtp.Protocol(),
		dns.Protocol(),
	}
}
