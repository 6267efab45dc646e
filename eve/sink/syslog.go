//go:build unix

package sink

import (
	"bytes"
	"fmt"
	"log/syslog"
	"strings"
	"sync"
)

var facilities = map[string]syslog.Priority{
	"auth": syslog.LOG_AUTH, "authpriv": syslog.LOG_AUTHPRIV, "cron": syslog.LOG_CRON, "daemon": syslog.LOG_DAEMON,
	"ftp": syslog.LOG_FTP, "kern": syslog.LOG_KERN, "lpr": syslog.LOG_LPR, "mail": syslog.LOG_MAIL, "news": syslog.LOG_NEWS,
	"security": syslog.LOG_AUTH, "syslog": syslog.LOG_SYSLOG, "user": syslog.LOG_USER, "uucp": syslog.LOG_UUCP,
	"local0": syslog.LOG_LOCAL0, "local1": syslog.LOG_LOCAL1, "local2": syslog.LOG_LOCAL2, "local3": syslog.LOG_LOCAL3,
	"local4": syslog.LOG_LOCAL4, "local5": syslog.LOG_LOCAL5, "local6": syslog.LOG_LOCAL6, "local7": syslog.LOG_LOCAL7,
}

var levels = map[string]syslog.Priority{
	"emergency": syslog.LOG_EMERG, "alert": syslog.LOG_ALERT, "critical": syslog.LOG_CRIT, "error": syslog.LOG_ERR,
	"warning": syslog.LOG_WARNING, "notice": syslog.LOG_NOTICE, "info": syslog.LOG_INFO, "debug": syslog.LOG_DEBUG,
}

// logger sends each line to the system's log.
type logger struct {
	mu   sync.Mutex
	w    *syslog.Writer
	lost uint64
}

func openSyslog(c Config) (Sink, error) {
	f, l := syslog.LOG_LOCAL0, syslog.LOG_INFO
	if c.Facility != "" {
		var ok bool
		if f, ok = facilities[strings.ToLower(c.Facility)]; !ok {
			f = syslog.LOG_LOCAL0
			c.Warn("unknown syslog facility %q, using local0", c.Facility)
		}
	}
	if c.Level != "" {
		var ok bool
		if l, ok = levels[strings.ToLower(c.Level)]; !ok {
			l = syslog.LOG_INFO
			c.Warn("unknown syslog level %q, using info", c.Level)
		}
	}
	w, err := syslog.New(f|l, c.Identity)
	if err != nil {
		return nil, fmt.Errorf("cannot reach syslog: %w", err)
	}
	return &logger{w: w}, nil
}

// Write implements Sink.
func (s *logger) Write(lines []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for line := range bytes.SplitSeq(lines, newline) {
		if len(line) == 0 {
			continue
		}
		if _, err := s.w.Write(line); err != nil {
			s.lost++
		}
	}
	return nil
}

// Reopen implements Sink.
func (s *logger) Reopen() error { return nil }

// Lost implements Sink.
func (s *logger) Lost() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lost
}

// Close implements Sink.
func (s *logger) Close() error { return s.w.Close() }
