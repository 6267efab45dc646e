package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"sentinel"
	"sentinel/internal/conf"
)

// level is how weighty a message is, in Suricata's steps.
type level uint8

const (
	levelNone level = iota
	levelError
	levelWarning
	levelNotice
	levelInfo
	levelPerf
	levelConfig
	levelDebug
)

var levelNames = [...]string{"None", "Error", "Warning", "Notice", "Info", "Perf", "Config", "Debug"}

func (l level) String() string { return levelNames[l] }

func parseLevel(s string) (level, bool) {
	for i, n := range levelNames {
		if strings.EqualFold(n, s) {
			return level(i), true
		}
	}
	return 0, false
}

// message is one message of the engine.
type message struct {
	at     time.Time
	level  level
	module string
	text   string
	place  string // what the message is about: "file:line"
}

// engineLog brings the engine's own messages to the console and to the outputs of the section logging. The Logger that the
// engine is given ends in it. Messages before the configuration was read are kept, and go to its outputs too.
type engineLog struct {
	zerolog.Logger
	stdout, stderr io.Writer

	mu       sync.Mutex
	sinks    []*logSink
	early    []message // until configure
	set      bool      // configure was called
	quiet    bool      // of --quiet: only errors on the console
	minimum  level     // of -v: no output says less
	override level     // of SC_LOG_LEVEL
	told     []string  // errors, so that none is told twice
	hidden   func()    // hides what a message to the console would be mixed up with

}

// logSink is one output.
type logSink struct {
	w       io.Writer
	file    *os.File // of a file output
	path    string
	level   level
	format  string
	json    bool
	filter  *regexp.Regexp
	console bool
	details io.Writer // of the console: what is no error; as Suricata does, it goes to standard output
}

// The formats of messages where the configuration has none.
const (
	consoleFormat = "%d: %S: %M"
	fileFormat    = "[%i - %m] %z %d: %S: %M"
)

// maxEarly bounds the messages that are kept before the outputs are open.
const maxEarly = 10000

// maxTold bounds the errors that are remembered.
const maxTold = 1000

// newLog returns a log to the console: errors go to stderr, the rest to stdout, as scripts expect of Suricata.
func newLog(o *options, stdout, stderr io.Writer) *engineLog {
	l := &engineLog{stdout: stdout, stderr: stderr, quiet: o.quiet}
	if o.verbose > 0 {
		l.minimum = min(levelNotice+level(min(o.verbose, 8)), levelDebug)
	}
	if v, ok := parseLevel(os.Getenv("SC_LOG_LEVEL")); ok {
		l.override = v
	}
	l.sinks = []*logSink{{w: stderr, details: stdout, console: true, format: consoleFormat, level: l.clamp(levelNotice, true)}}
	l.Logger = zerolog.New(l).Level(zerolog.DebugLevel)
	return l
}

// clamp applies -v, --quiet and SC_LOG_LEVEL to an output's level.
func (l *engineLog) clamp(v level, console bool) level {
	if console && l.quiet {
		v = min(v, levelError)
	}
	v = max(v, l.minimum)
	switch {
	case l.override == levelNone:
	case console:
		v = l.override
	default:
		v = min(v, l.override)
	}
	return v
}

// configure opens the outputs of the section logging; files go below dir. Without outputs the console stays. A file that
// cannot be opened is complained of, and done without.
func (l *engineLog) configure(root *conf.Node, dir string) error {
	var errs, soft []error
	defer func() {
		for _, err := range soft {
			l.say(levelWarning, "logging", err.Error())
		}
	}()
	def := levelNotice
	if s := root.Get("logging.default-log-level").Str(""); s != "" {
		v, ok := parseLevel(s)
		if !ok {
			return fmt.Errorf("invalid default log level: %s", s)
		}
		def = v
	}
	format := root.Get("logging.default-log-format").Str("")
	filter := root.Get("logging.default-output-filter").Str("")
	var sinks []*logSink
	for name, n := range root.Get("logging.outputs").Entries() {
		if n.Get("enabled").IsFalse() {
			continue
		}
		s, err := l.output(name, n, dir, def)
		if missing := (*os.PathError)(nil); errors.As(err, &missing) {
			soft = append(soft, err)
		} else if err != nil {
			errs = append(errs, err)
		}
		if s == nil {
			continue
		}
		if s.format == "" {
			s.format = format
		}
		if s.format == "" {
			s.format = map[bool]string{true: consoleFormat, false: fileFormat}[s.console]
		}
		if filter != "" {
			if s.filter, err = regexp.Compile(filter); err != nil {
				errs = append(errs, fmt.Errorf("logging.default-output-filter: %w", err))
				filter = ""
			}
		}
		sinks = append(sinks, s)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.set = true
	if len(sinks) > 0 {
		l.sinks = sinks
	} else {
		l.sinks[0].level = l.clamp(def, true)
	}
	for _, m := range l.early {
		for _, s := range l.sinks {
			if !s.console {
				s.put(m)
			}
		}
	}
	l.early = nil
	return errors.Join(errs...)
}

// output opens one output of the section logging. A file that cannot be opened is an error that the run survives.
func (l *engineLog) output(name string, n *conf.Node, dir string, def level) (*logSink, error) {
	s := &logSink{level: def, format: n.Get("format").Str(""), json: n.Get("type").Str("") == "json"}
	if v := n.Get("level").Str(""); v != "" {
		own, ok := parseLevel(v)
		if !ok {
			return nil, fmt.Errorf("invalid log level: %s", v)
		}
		s.level = own
	}
	switch name {
	case "console":
		s.console, s.w, s.details = true, l.stderr, l.stdout
	case "file":
		file := n.Get("filename").Str("")
		if file == "" {
			return nil, errors.New("logging to a file needs a filename")
		}
		if !filepath.IsAbs(file) {
			file = filepath.Join(dir, file)
		}
		s.path = file
		if err := s.open(); err != nil {
			return nil, err
		}
	case "syslog":
		return nil, errors.New("logging to syslog is not supported yet: the engine's messages go to the other outputs")
	default:
		return nil, fmt.Errorf("invalid logging method: %s, ignoring", name)
	}
	s.level = l.clamp(s.level, s.console)
	return s, nil
}

func (s *logSink) open() error {
	f, err := os.OpenFile(s.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("cannot open the log file: %w", err)
	}
	if s.file != nil {
		_ = s.file.Close()
	}
	s.file, s.w = f, f
	return nil
}

// reopen opens the log files again, after they were renamed.
func (l *engineLog) reopen() {
	l.mu.Lock()
	var errs []error
	for _, s := range l.sinks {
		if s.file != nil {
			errs = append(errs, s.open())
		}
	}
	l.mu.Unlock()
	if err := errors.Join(errs...); err != nil {
		l.error(err.Error())
	}
}

func (l *engineLog) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.sinks {
		if s.file != nil {
			_ = s.file.Close()
		}
	}
}

// Write takes one message of the Logger. The field level can name one of Suricata's levels that zerolog does not have;
// a message without a level is a notice. The field module says who speaks; all other fields follow the text.
func (l *engineLog) Write(p []byte) (int, error) {
	var fields map[string]any
	if err := json.Unmarshal(p, &fields); err != nil {
		return 0, err
	}
	m := message{at: time.Now(), level: levelNotice, module: "sentinel"}
	var rest []string
	for k, v := range fields {
		switch text, _ := v.(string); k {
		case "level":
			m.level = ofZerolog(text)
		case "message":
			m.text = text
		case "module":
			m.module = text
		case "place":
			m.place = text
		default:
			rest = append(rest, fmt.Sprintf("%s: %v", k, v))
		}
	}
	if len(rest) > 0 {
		slices.Sort(rest)
		m.text += " (" + strings.Join(rest, ", ") + ")"
	}
	l.put(m)
	return len(p), nil
}

func ofZerolog(s string) level {
	switch s {
	case "error", "fatal", "panic":
		return levelError
	case "warn":
		return levelWarning
	case "debug", "trace":
		return levelDebug
	}
	if v, ok := parseLevel(s); ok {
		return v
	}
	return levelNotice
}

func (l *engineLog) put(m message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.set && len(l.early) < maxEarly {
		l.early = append(l.early, m)
	}
	if m.level == levelError && len(l.told) < maxTold {
		l.told = append(l.told, m.text)
	}
	for _, s := range l.sinks {
		if s.console && m.level <= s.level && l.hidden != nil {
			l.hidden()
		}
		s.put(m)
	}
}

// hide sets what takes the progress bar off the console before a message.
func (l *engineLog) hide(f func()) {
	l.mu.Lock()
	l.hidden = f
	l.mu.Unlock()
}

func (l *engineLog) notice(text string) { l.say(levelNotice, "sentinel", text) }
func (l *engineLog) error(text string)  { l.say(levelError, "sentinel", text) }

func (l *engineLog) say(v level, module, text string) {
	l.put(message{at: time.Now(), level: v, module: module, text: text})
}

// wasTold reports whether an error was told already, alone or as a part of another message.
func (l *engineLog) wasTold(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.told, func(s string) bool { return strings.Contains(s, text) })
}

// fatal tells an error, a line for each of the errors that it joins but those that were told, and returns the exit status.
func (l *engineLog) fatal(err error) int {
	text := err.Error()
	var refused *sentinel.RulesError
	if errors.As(err, &refused) { // each was told when it was found
		text = strings.ReplaceAll(text, refused.Error(), "Loading signatures failed.")
	}
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		longer := func(other string) bool { return len(other) > len(line) && strings.Contains(other, line) }
		// What is in brackets at the end is detail: how many lines were lost.
		core, _, _ := strings.Cut(line, " (")
		if line == "" || slices.Contains(lines[:i], line) || slices.ContainsFunc(lines, longer) || l.wasTold(core) {
			continue
		}
		l.error(line)
	}
	return 1
}

// put writes a message that is weighty enough and passes the filter.
func (s *logSink) put(m message) {
	if m.level > s.level {
		return
	}
	var line []byte
	if s.json {
		line = m.json()
	} else {
		line = m.line(s.format)
	}
	if s.filter != nil && !s.filter.Match(line) {
		return
	}
	// There is nowhere to tell that a message cannot be written.
	w := s.w
	if s.details != nil && m.level > levelError {
		w = s.details
	}
	_, _ = w.Write(append(line, '\n'))
}

// json is the message in the form of EVE's event type engine.
func (m *message) json() []byte {
	type engine struct {
		Message string `json:"message"`
		Thread  string `json:"thread_name"`
		Module  string `json:"module"`
	}
	type own struct { // what Suricata does not have
		Place string `json:"place"`
	}
	var about *own
	if m.place != "" {
		about = &own{m.place}
	}
	b, err := json.Marshal(struct {
		Timestamp string `json:"timestamp"`
		Level     string `json:"log_level"`
		Type      string `json:"event_type"`
		Engine    engine `json:"engine"`
		Own       *own   `json:"sentinel,omitempty"`
	}{m.at.Format("2006-01-02T15:04:05.000000-0700"), m.level.String(), "engine", engine{m.text, "Sentinel-Main", m.module}, about})
	if err != nil {
		return nil
	}
	return b
}

// line is the message as a line of text by a format of Suricata's.
func (m *message) line(format string) []byte {
	var b []byte
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			b = append(b, format[i])
			continue
		}
		i++
		switch format[i] {
		case 'z':
			b = m.at.AppendFormat(b, "2006-01-02 15:04:05")
		case 't':
			b = m.at.AppendFormat(b, "2/1/2006 -- 15:04:05")
		case 'p', 'i':
			b = fmt.Appendf(b, "%d", os.Getpid())
		case 'm', 'T':
			b = append(b, "Sentinel-Main"...)
		case 'd':
			b = append(b, m.level.String()...)
		case 'D':
			b = append(b, short[m.level])
		case 'S':
			b = append(b, m.module...)
		case 'M':
			b = append(b, strings.ReplaceAll(m.text, "\n", "\\n")...)
			if m.place != "" {
				b = append(append(append(b, " ("...), m.place...), ')')
			}
		case 'f', 'l', 'n': // where in the source; not kept
		default:
			b = append(b, '%', format[i])
		}
	}
	return b
}

// short has a letter for each level.
const short = " EWiiiid"
