package tls

// The versions that matter to parsing.
const (
	version2            = 0x0200
	version10           = 0x0301
	version11           = 0x0302
	version12           = 0x0303
	version13           = 0x0304
	version13PreDraft16 = 0x7f01
)

// versionName returns the name of a version in events, or nothing.
func versionName(v uint16) string {
	switch v {
	case 0:
		return "UNDETERMINED"
	case version2:
		return "SSLv2"
	case 0x0300:
		return "SSLv3"
	case version10:
		return "TLSv1"
	case version11:
		return "TLS 1.1"
	case version12:
		return "TLS 1.2"
	case version13:
		return "TLS 1.3"
	case version13PreDraft16:
		return "TLS 1.3 draft-<16"
	case 0xfb14:
		return "TLS 1.3 draft-20-fb"
	case 0xfb15:
		return "TLS 1.3 draft-21-fb"
	case 0xfb16:
		return "TLS 1.3 draft-22-fb"
	case 0xfb17:
		return "TLS 1.3 draft-23-fb"
	case 0xfb1a:
		return "TLS 1.3 draft-26-fb"
	}
	if v >= 0x7f10 && v <= 0x7f1c {
		return drafts[v-0x7f10]
	}
	return ""
}

var drafts = [...]string{
	"TLS 1.3 draft-16", "TLS 1.3 draft-17", "TLS 1.3 draft-18", "TLS 1.3 draft-19", "TLS 1.3 draft-20", "TLS 1.3 draft-21",
	"TLS 1.3 draft-22", "TLS 1.3 draft-23", "TLS 1.3 draft-24", "TLS 1.3 draft-25", "TLS 1.3 draft-26", "TLS 1.3 draft-27",
	"TLS 1.3 draft-28",
}

// validVersion reports whether a record may have this version.
func validVersion(v uint16) bool { return v != 0 && v != version2 && versionName(v) != "" }
