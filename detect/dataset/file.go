package dataset

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Type is what a set's values are.
type Type uint8

// The types. IP takes addresses of both versions; "ipv6" means the same, as in Suricata.
const (
	NoType Type = iota
	String
	MD5
	SHA256
	IPv4
	IP
)

// TypeByName returns the type that a rule or the configuration names.
func TypeByName(name string) (Type, bool) {
	t, ok := map[string]Type{"string": String, "md5": MD5, "sha256": SHA256, "ipv4": IPv4, "ipv6": IP, "ip": IP}[name]
	return t, ok
}

// maxLine bounds the lines of all files, in bytes.
const maxLine = 1 << 20

// read fills the set from lines "value" or, with numbers, "value,number".
func (s *Set) read(r io.Reader, file string, reps bool) error {
	sc := bufio.NewScanner(r)
	sc.Buffer(make([]byte, 0, 512), maxLine)
	for sc.Scan() {
		line := strings.TrimRight(sc.Text(), "\r")
		if line == "" {
			continue
		}
		text, number, has := strings.Cut(line, ",")
		if strings.Contains(number, ",") {
			continue
		}
		if has != reps {
			return fmt.Errorf("Cannot mix dataset and datarep values for set %s in %s", s.Name, file)
		}
		v, why := s.Type.parse(text)
		if why != "" {
			return fmt.Errorf("%s %s in %s", why, s.Name, file)
		}
		rep := uint64(0)
		if has {
			var err error
			if rep, err = strconv.ParseUint(number, 10, 16); err != nil {
				return fmt.Errorf("invalid datarep value %s in %s", s.Name, file)
			}
		}
		if s.add(v, content{rep: uint16(rep), hasRep: has}) == full {
			return errors.New("dataset too large for set memcap")
		}
	}
	return sc.Err()
}

// parse reads a value as files write it; why says what is wrong.
func (t Type) parse(text string) (v []byte, why string) {
	switch t {
	case String:
		v, err := base64.StdEncoding.DecodeString(text)
		if err != nil || strings.ContainsAny(text, "\r\n") {
			return nil, "bad base64 encoding"
		}
		return v, ""
	case MD5, SHA256:
		v, err := hex.DecodeString(text)
		if want := map[Type]int{MD5: 16, SHA256: 32}[t]; err != nil || len(v) != want {
			return nil, "bad hash"
		}
		return v, ""
	case IPv4:
		a, err := netip.ParseAddr(text)
		if err != nil || !a.Is4() {
			return nil, "invalid Ipv4 value"
		}
		return a.AsSlice(), ""
	}
	a, err := netip.ParseAddr(text)
	if err != nil || a.Zone() != "" {
		return nil, "invalid Ipv6 value"
	}
	return a.AsSlice(), ""
}

// format writes a value as files do.
func (t Type) format(v []byte) string {
	switch t {
	case String:
		return base64.StdEncoding.EncodeToString(v)
	case MD5, SHA256:
		return hex.EncodeToString(v)
	}
	a, _ := netip.AddrFromSlice(v)
	if a.Is4In6() {
		a = a.Unmap()
	}
	return a.StringExpanded()
}

// fill reads the set's file. A file that is also saved to may be absent.
func (s *Set) fill(x *Spec) error {
	if s.load == "" {
		return nil
	}
	f, err := os.Open(s.load)
	if err != nil {
		if s.load == s.save && errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return fmt.Errorf("dataset %s: cannot read %s: %w", s.Name, s.load, err)
	}
	defer f.Close()
	if x.Format != CSV {
		return s.readJSON(f, x)
	}
	return s.read(f, s.load, x.Reps)
}

// Save writes the set's file, if it has one. Values are in order, strings from the greatest on, so that equal sets have
// equal files.
func (s *Set) Save() error {
	if s.save == "" {
		return nil
	}
	var list []entry
	for i := range s.shards {
		h := &s.shards[i]
		h.mu.RLock()
		for j := range h.list {
			if h.list[j].value != nil {
				list = append(list, h.list[j])
			}
		}
		h.mu.RUnlock()
	}
	slices.SortFunc(list, func(a, b entry) int { return bytes.Compare(a.value, b.value) })
	var b strings.Builder
	for _, e := range list {
		b.WriteString(s.Type.format(e.value))
		if e.hasRep {
			b.WriteString("," + strconv.Itoa(int(e.rep)))
		}
		b.WriteByte('\n')
	}
	// The new file takes the place of the old one at once: a crash leaves either of them.
	tmp := s.save + ".new"
	if err := os.MkdirAll(filepath.Dir(s.save), 0o755); err != nil {
		return fmt.Errorf("cannot save dataset %s: %w", s.Name, err)
	}
	if err := os.WriteFile(tmp, []byte(b.String()), 0o644); err != nil {
		return fmt.Errorf("cannot save dataset %s: %w", s.Name, err)
	}
	if err := os.Rename(tmp, s.save); err != nil {
		return fmt.Errorf("cannot save dataset %s: %w", s.Name, err)
	}
	return nil
}
