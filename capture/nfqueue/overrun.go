package nfqueue

// Columns of /proc/net/netfilter/nfnetlink_queue.
const (
	columnQueue      = 0
	columnPort       = 1
	columnQueueFull  = 5
	columnSocketFull = 6
	columns          = 7 // that are read
)

// parseOverruns finds the line of a queue that a socket reads, and adds up what was lost.
// A port of 0 stands for any.
func parseOverruns(b []byte, queue uint16, port uint32) (lost uint32, ok bool) {
	var v [columns]uint32
	field, digits := 0, false
	for _, c := range b {
		switch {
		case c >= '0' && c <= '9':
			if field < columns {
				v[field] = v[field]*10 + uint32(c-'0')
			}
			digits = true
			continue
		case digits:
			field++
			digits = false
		}
		if c == '\n' {
			if field >= columns && v[columnQueue] == uint32(queue) && (port == 0 || v[columnPort] == port) {
				return v[columnQueueFull] + v[columnSocketFull], true
			}
			v, field = [columns]uint32{}, 0
		}
	}
	return 0, false
}
