package iprep

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"

	"github.com/gaissmai/bart"
)

// MaxCategories bounds the ids of categories, and MaxScore the scores.
const (
	MaxCategories = 60
	MaxScore      = 127
)

// Table is categories, and scores of hosts and networks.
type Table struct {
	names [MaxCategories]string
	hosts bart.Table[*[MaxCategories]int8]
	nets  [MaxCategories]*bart.Table[int8]
}

// maxLine bounds the lines of all files, in bytes.
const maxLine = 8192

// lines calls f with each line that is not empty.
func lines(r io.Reader, f func(line string)) error {
	sc := bufio.NewScanner(r)
	sc.Buffer(make([]byte, 0, 512), maxLine)
	sc.Split(split)
	for sc.Scan() {
		if line := strings.TrimSpace(sc.Text()); line != "" {
			f(line)
		}
	}
	return sc.Err()
}

// split ends lines at a line feed or a carriage return.
func split(b []byte, eof bool) (int, []byte, error) {
	if i := bytes.IndexAny(b, "\r\n"); i >= 0 {
		return i + 1, b[:i], nil
	}
	if eof && len(b) > 0 {
		return len(b), b, nil
	}
	return 0, nil, nil
}

// badLine is a complaint about a line, in Suricata's words.
func badLine(line string) error { return fmt.Errorf("bad line \"%s\"", line) }

// Categories reads the file of categories: lines "id,short name,description". Lines that are wrong are left out, each with
// an error.
func (t *Table) Categories(r io.Reader) []error {
	var errs []error
	err := lines(r, func(line string) {
		id, rest, ok := strings.Cut(line, ",")
		name, _, _ := strings.Cut(rest, ",")
		n, err := strconv.ParseUint(id, 10, 8)
		if !ok || err != nil || n >= MaxCategories || name == "" {
			errs = append(errs, badLine(line))
			return
		}
		t.names[n] = name
	})
	if err != nil {
		errs = append(errs, err)
	}
	return errs
}

// Load reads a file of scores: lines "address or network,category id,score". A later line wins. Lines that are wrong are left
// out, each with an error. The first line may be a header that begins with "ip".
func (t *Table) Load(r io.Reader) []error {
	var errs []error
	err := lines(r, func(line string) {
		if !t.add(line) {
			errs = append(errs, badLine(line))
		}
	})
	if err != nil {
		errs = append(errs, err)
	}
	return errs
}

func (t *Table) add(line string) bool {
	parts := strings.SplitN(line, ",", 4)
	if len(parts) < 3 {
		return false
	}
	if parts[0] == "ip" {
		return true
	}
	cat, err := strconv.ParseUint(parts[1], 10, 8)
	if err != nil || cat >= MaxCategories {
		return false
	}
	score, err := strconv.ParseUint(parts[2], 10, 8)
	if err != nil || score > MaxScore {
		return false
	}
	if strings.Contains(parts[0], "/") {
		p, err := netip.ParsePrefix(parts[0])
		if err != nil {
			return false
		}
		if t.nets[cat] == nil {
			t.nets[cat] = &bart.Table[int8]{}
		}
		t.nets[cat].Insert(p.Masked(), int8(score))
		return true
	}
	a, err := netip.ParseAddr(parts[0])
	if err != nil || a.Zone() != "" {
		return false
	}
	p := netip.PrefixFrom(a, a.BitLen())
	h, ok := t.hosts.Get(p)
	if !ok {
		h = &[MaxCategories]int8{}
		t.hosts.Insert(p, h)
	}
	h[cat] = int8(score)
	return true
}

// Category returns the id of a category by its short name; 0 is none.
func (t *Table) Category(name string) uint8 {
	if t == nil {
		return 0
	}
	for i, n := range t.names {
		if n == name && n != "" {
			return uint8(i)
		}
	}
	return 0
}

// Score returns the score of an address in a category. A host of a file has a score in every category, 0 where none was
// given, as in Suricata; other addresses have that of the smallest network around them.
func (t *Table) Score(a netip.Addr, cat uint8) (score uint8, ok bool) {
	if t == nil || cat >= MaxCategories {
		return 0, false
	}
	if h, ok := t.hosts.Lookup(a); ok {
		return uint8(h[cat]), true
	}
	if n := t.nets[cat]; n != nil {
		v, ok := n.Lookup(a)
		return uint8(v), ok
	}
	return 0, false
}
