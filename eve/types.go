package eve

import "sentinel/stream/app"

// Type is an event type that belongs to no protocol, and TypeTx, which stands for those of all protocols.
type Type uint8

// The event types, in the order in which those of one packet are written.
const (
	TypeAlert Type = iota
	TypePacket
	TypeAnomaly
	TypeDrop
	TypeARP
	TypeMetadata
	TypeFile
	TypeTx
	TypeFrame
	TypeStream
	TypeFlow
	TypeNetflow
	TypeStats
	TypeCount
)

// typeNames are the names in event_type.
var typeNames = [TypeCount]string{"alert", "packet", "anomaly", "drop", "arp", "metadata", "fileinfo", "", "frame", "stream_tcp", "flow", "netflow", "stats"}

// direction says which way round an event's addresses are.
type direction uint8

const (
	asFlow     direction = iota // client first
	asPacket                    // as in the packet
	toServer                    // client first
	toClient                    // server first
	asMessage                   // by the transaction's own direction
	asMessage4                  // the same over TCP; as in the packet over UDP
)

// layout says what is special about the events of a protocol.
type layout struct {
	proto string    // name of the descriptor
	typ   string    // name below eve-log.types; empty = proto
	event string    // event_type; empty = the descriptor's EVE name
	key   string    // of the object; empty = event
	dir   direction // of the addresses
	txID  bool      // tx_id is in the event itself
	caps  bool      // names of anomalies are in capitals
}

// layouts lists the protocols that differ from the rule: type, event_type and object have the protocol's name, and addresses
// are client first.
var layouts = []layout{
	{proto: "http1", typ: "http", event: "http", txID: true, caps: true},
	{proto: "http2", event: "http"},
	{proto: "doh2", event: "dns", key: "http"},
	{proto: "smtp", txID: true, caps: true},
	{proto: "tls", caps: true},
	{proto: "ftp", caps: true},
	{proto: "dnp3", caps: true},
	{proto: "dns", dir: asMessage4},
	{proto: "ftp-data", typ: "ftp", event: "ftp_data"},
	{proto: "tftp", dir: asPacket},
	{proto: "smb", txID: true},
	{proto: "nfs", key: "rpc", dir: asPacket},
	{proto: "ike", dir: asPacket},
	{proto: "krb5", dir: asPacket},
	{proto: "quic", dir: asPacket},
	{proto: "dhcp", dir: asPacket},
	{proto: "sip", dir: asPacket},
	{proto: "rfb", dir: asPacket},
	{proto: "mqtt", dir: asMessage},
	{proto: "websocket", dir: asPacket},
	{proto: "rdp", dir: asPacket},
	{proto: "bittorrent-dht", event: "bittorrent_dht", dir: asPacket},
	{proto: "snmp", dir: asPacket},
	{proto: "ntp", dir: asPacket},
	{proto: "template", dir: asPacket},
}

// otherTypes are names below eve-log.types that are known and belong to no protocol.
var otherTypes = []string{"alert", "anomaly", "drop", "files", "flow", "netflow", "stats", "arp", "metadata", "vars", "frame", "engine", "stream", "ndpi"}

// protocolTypes are the names of all protocols' types, built in here or not.
var protocolTypes = []string{"http", "http2", "doh2", "dns", "mdns", "llmnr", "tls", "smtp", "ssh", "ftp", "tftp", "smb", "nfs", "dcerpc", "ike",
	"ikev2", "krb5", "quic", "dhcp", "sip", "rfb", "mqtt", "websocket", "rdp", "bittorrent-dht", "snmp", "ntp", "modbus", "dnp3", "enip",
	"ldap", "pgsql", "pop3", "template", "telnet", "imap"}

// layoutOf returns the layout of a protocol with all fields filled in.
func layoutOf(p *app.Protocol) layout {
	l := layout{proto: p.Name}
	for i := range layouts {
		if layouts[i].proto == p.Name {
			l = layouts[i]
			break
		}
	}
	if l.typ == "" {
		l.typ = p.Name
	}
	if l.event == "" {
		if l.event = p.EVE; l.event == "" {
			l.event = p.Name
		}
	}
	if l.key == "" {
		l.key = l.event
	}
	return l
}
