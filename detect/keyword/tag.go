package keyword

import (
	"strconv"
	"strings"

	"sentinel/detect"
)

// maxTagged is how many packets a tag logs at most.
const maxTagged = 256

// tag logs the packets that follow an alert.
func tag() detect.Keyword {
	return detect.Keyword{Name: "tag", Doc: "tag a session or host", Flags: detect.IPOnlyOK, Setup: func(b *detect.Builder, v string) error {
		parts := strings.Split(v, ",")
		for i := range parts {
			parts[i] = strings.TrimSpace(parts[i])
		}
		t := detect.Tag{Packets: true, Count: maxTagged}
		switch parts[0] {
		case "session":
		case "host":
			t.Host = true
		default:
			return problem("Invalid argument type. Must be session or host (" + parts[0] + ")")
		}
		if len(parts) == 2 || len(parts) > 4 {
			return problem("parse error, string " + v)
		}
		if len(parts) > 2 {
			n, err := strconv.ParseUint(parts[1], 10, 32)
			if err != nil {
				return problem("Invalid argument for count. Must be a value in the range of 0 to 4294967295 (" + parts[1] + ")")
			}
			t.Count = uint32(n)
			t.Packets = false
			switch parts[2] {
			case "packets":
				t.Packets = true
				t.Count = min(t.Count, maxTagged)
			case "seconds":
				t.Seconds = true
			case "bytes":
				t.Bytes = true
			default:
				return problem("Invalid argument metric. Must be one of \"seconds\", \"packets\" or \"bytes\" (" + parts[2] + ")")
			}
		}
		if len(parts) == 4 {
			switch parts[3] {
			case "src":
			case "dst":
				t.Dst = true
			default:
				return problem("Invalid argument direction. Must be one of \"src\" or \"dst\" (only valid for tag host type, not sessions) (" + parts[3] + ")")
			}
		}
		b.Tag(t)
		return nil
	}}
}
