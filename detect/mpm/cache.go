package mpm

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Cache keeps compiled sets on disk, a file each, named by what they were compiled from. The
// directory must be writable by nobody else: engines trust what they load.
type Cache struct {
	Dir string
}

// keepUnused is how long a file stays that no start has used.
const keepUnused = 7 * 24 * time.Hour

const (
	cacheMagic  = "sntlmpm1"
	cacheSuffix = ".mpm"
	maxFile     = 1 << 30
)

// Key returns the name of a compiled set: a hash of the patterns, the engine and its version.
func Key(e Engine, ps []Pattern) [sha256.Size]byte {
	h := sha256.New()
	var b []byte
	text := func(s string) {
		b = binary.LittleEndian.AppendUint64(b, uint64(len(s)))
		b = append(b, s...)
	}
	text(e.Name())
	text(e.Version())
	for i := range ps {
		p := &ps[i]
		flags := byte(0)
		if p.Nocase {
			flags = 1
		}
		b = append(b, flags)
		for _, v := range [...]uint32{p.ID, p.Offset, p.Depth, uint32(len(p.Data))} {
			b = binary.LittleEndian.AppendUint32(b, v)
		}
		b = append(b, p.Data...)
		text(p.Regex)
		h.Write(b)
		b = b[:0]
	}
	h.Write(b)
	return [sha256.Size]byte(h.Sum(nil))
}

func (c *Cache) path(key [sha256.Size]byte) string {
	return filepath.Join(c.Dir, hex.EncodeToString(key[:])+cacheSuffix)
}

// load returns a set's bytes, and marks the file as used.
func (c *Cache) load(key [sha256.Size]byte) ([]byte, bool) {
	path := c.path(key)
	st, err := os.Stat(path)
	if err != nil || !st.Mode().IsRegular() || st.Size() > maxFile {
		return nil, false
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, false
	}
	// The name alone would do, but for files renamed by hand and writes torn by a crash.
	const head = len(cacheMagic) + 2*sha256.Size
	if len(b) < head || string(b[:len(cacheMagic)]) != cacheMagic || !bytes.Equal(b[len(cacheMagic):len(cacheMagic)+sha256.Size], key[:]) {
		return nil, false
	}
	if sum := sha256.Sum256(b[head:]); !bytes.Equal(sum[:], b[head-sha256.Size:head]) {
		return nil, false
	}
	now := time.Now()
	_ = os.Chtimes(path, now, now) // failing only makes it look unused
	return b[head:], true
}

// store writes a set's bytes under a temporary name and renames it: readers see all or nothing.
func (c *Cache) store(key [sha256.Size]byte, b []byte) error {
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(c.Dir, "new-*.tmp")
	if err != nil {
		return err
	}
	sum := sha256.Sum256(b)
	for _, part := range [...][]byte{[]byte(cacheMagic), key[:], sum[:], b} {
		if err == nil {
			_, err = f.Write(part)
		}
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), c.path(key))
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

// prune removes our files that were not used lately, leftovers of torn writes too.
func (c *Cache) prune() {
	es, err := os.ReadDir(c.Dir)
	if err != nil {
		return
	}
	for _, e := range es {
		name := e.Name()
		ours := strings.HasSuffix(name, cacheSuffix) && len(name) == 2*sha256.Size+len(cacheSuffix) ||
			strings.HasPrefix(name, "new-") && strings.HasSuffix(name, ".tmp")
		st, err := e.Info()
		if !ours || err != nil || !st.Mode().IsRegular() || time.Since(st.ModTime()) < keepUnused {
			continue
		}
		os.Remove(filepath.Join(c.Dir, name))
	}
}
