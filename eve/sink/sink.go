package sink

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Sink takes lines. Its methods may be called from any goroutine.
type Sink interface {
	// Write takes whole lines, each with its newline. What cannot be written is counted as lost, and the sink goes on with
	// the next lines. The bytes are not kept. A socket nobody listens to is no error.
	Write(lines []byte) error
	// Reopen opens the file anew under its name, for log rotation. Other sinks do nothing.
	Reopen() error
	// Lost returns how many lines could not be written.
	Lost() uint64
	Close() error
}

// Config is what a sink is made of.
type Config struct {
	Type     string      // filetype: regular (or file, or empty), unix_stream, unix_dgram, syslog, nullsink
	Path     string      // of the file or socket; "-" is the standard output; strftime patterns in files' names hold when they are opened
	Truncate bool        // append: no
	Mode     os.FileMode // filemode; 0 = by umask
	Rotate   string      // rotate-interval: minute, hour, day or a duration; empty = never
	Live     func() bool // whether packets come from the wire: a socket is then never waited for; nil = they do

	Facility, Level, Identity string // of syslog; empty = local0, info, the program's name

	Warn func(format string, args ...any) // nil = nobody is told
}

// Open makes the sink. A socket that nobody listens to yet is fine: it is tried again later.
func Open(c Config) (Sink, error) {
	if c.Warn == nil {
		c.Warn = func(string, ...any) {}
	}
	if c.Live == nil {
		c.Live = func() bool { return true }
	}
	if IsFile(c.Type) {
		return openFile(c)
	}
	switch strings.ToLower(c.Type) {
	case "unix_stream":
		return openSocket(c, "unix"), nil
	case "unix_dgram":
		return openSocket(c, "unixgram"), nil
	case "syslog":
		return openSyslog(c)
	case "nullsink":
		return null{}, nil
	case "redis":
		return nil, fmt.Errorf("filetype redis is not supported: use unix_stream or a file that a log shipper reads")
	}
	return nil, fmt.Errorf("unknown filetype %q: use regular, unix_stream, unix_dgram, syslog or nullsink", c.Type)
}

// IsFile reports whether a filetype is a regular file: only those can be threaded.
func IsFile(typ string) bool {
	switch strings.ToLower(typ) {
	case "", "regular", "file":
		return true
	}
	return false
}

// Threaded returns the name of a worker's own file: eve.json becomes eve.3.json.
func Threaded(path string, number int) string {
	if path == os.DevNull || path == "-" {
		return path
	}
	n := strconv.Itoa(number)
	ext := filepath.Ext(path)
	if len(ext) < 2 || len(ext) == len(filepath.Base(path)) {
		return path + "." + n
	}
	return strings.TrimSuffix(path, ext) + "." + n + ext
}

// null drops everything.
type null struct{}

func (null) Write([]byte) error { return nil }
func (null) Reopen() error      { return nil }
func (null) Lost() uint64       { return 0 }
func (null) Close() error       { return nil }

// strftime fills a pattern such as eve-%Y-%m-%d.json. Unknown conversions stay as they are.
func strftime(pattern string, t time.Time) string {
	if !strings.Contains(pattern, "%") {
		return pattern
	}
	var b strings.Builder
	for i := 0; i < len(pattern); i++ {
		if pattern[i] != '%' || i+1 == len(pattern) {
			b.WriteByte(pattern[i])
			continue
		}
		i++
		switch pattern[i] {
		case 'Y':
			b.WriteString(t.Format("2006"))
		case 'y':
			b.WriteString(t.Format("06"))
		case 'm':
			b.WriteString(t.Format("01"))
		case 'b':
			b.WriteString(t.Format("Jan"))
		case 'd':
			b.WriteString(t.Format("02"))
		case 'j':
			b.WriteString(t.Format("002"))
		case 'H':
			b.WriteString(t.Format("15"))
		case 'I':
			b.WriteString(t.Format("03"))
		case 'p':
			b.WriteString(t.Format("PM"))
		case 'M':
			b.WriteString(t.Format("04"))
		case 'S':
			b.WriteString(t.Format("05"))
		case 'F':
			b.WriteString(t.Format("2006-01-02"))
		case 'T':
			b.WriteString(t.Format("15:04:05"))
		case 'z':
			b.WriteString(t.Format("-0700"))
		case 'Z':
			b.WriteString(t.Format("MST"))
		case 's':
			b.WriteString(strconv.FormatInt(t.Unix(), 10))
		case '%':
			b.WriteByte('%')
		default:
			b.WriteByte('%')
			b.WriteByte(pattern[i])
		}
	}
	return b.String()
}
