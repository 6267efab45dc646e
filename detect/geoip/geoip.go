package geoip

import (
	"fmt"
	"os"
	"sync/atomic"

	"github.com/oschwald/maxminddb-golang"
)

// maxFile bounds a database, in bytes.
const maxFile = 1 << 30

// cacheSize is how many records are remembered in decoded form. Databases of countries have some hundred.
const cacheSize = 1 << 12

// Table is a database in memory. It is immutable, and safe for concurrent use.
type Table struct {
	r     *maxminddb.Reader
	cache [cacheSize]atomic.Pointer[entry]
}

type entry struct {
	offset uintptr
	code   string
}

// record is what is read of a record.
type record struct {
	Country struct {
		Code string `maxminddb:"iso_code"`
	} `maxminddb:"country"`
}

// Open reads a database.
func Open(path string) (*Table, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if st.Size() > maxFile {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, maxFile)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r, err := maxminddb.FromBytes(b)
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", path, err)
	}
	return &Table{r: r}, nil
}

// Country returns the code of the country (ISO 3166-1 alpha-2) that an IPv4 address is in; "" if it is not known.
func (t *Table) Country(ip [4]byte) string {
	offset, err := t.r.LookupOffset(ip[:])
	if err != nil || offset == maxminddb.NotFound {
		return ""
	}
	slot := &t.cache[(offset*0x9e3779b1>>8)%cacheSize]
	if e := slot.Load(); e != nil && e.offset == offset {
		return e.code
	}
	var rec record
	if err := t.r.Decode(offset, &rec); err != nil {
		return ""
	}
	slot.Store(&entry{offset, rec.Country.Code})
	return rec.Country.Code
}
