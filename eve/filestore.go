package eve

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"

	"sentinel/internal/conf"
	"sentinel/stream"
	"sentinel/stream/app"
	"sentinel/stream/file"
	"sentinel/stream/flow"
)

// fileStore is the output file-store, version 2: each file below the first two digits of its SHA-256, once.
type fileStore struct {
	dir, tmp string
	info     bool // a .json file beside each
	common   common
	maxOpen  int64 // files held open; 0 = each write opens and closes
	open     atomic.Int64
	last     atomic.Uint32 // number of the newest file
	said     atomic.Bool   // of an error
	errors   atomic.Uint64
	maxHits  atomic.Uint64
	warn     func(format string, args ...any)
}

// FileStoreConfig reports whether files are stored, and how deep TCP streams are followed for the sake of a stored file. ok says that
// the depth differs from the streams' own.
func FileStoreConfig(root *conf.Node, depth uint64) (on bool, own uint32, ok bool, err error) {
	for name, n := range root.Get("outputs").Entries() {
		if name != "file-store" || !n.Get("enabled").IsTrue() {
			continue
		}
		k := n.Get("stream-depth")
		if v, _ := k.Value(); !k.Exists() || v == "no" {
			return true, 0, false, nil
		}
		v, err := k.Size(0)
		if err != nil || v > 1<<32-1 {
			return true, 0, false, fmt.Errorf("output file-store: stream-depth is no size of 32 bits")
		}
		return true, uint32(v), v > depth, nil
	}
	return false, 0, false, nil
}

func (o *Output) addFileStore(n *conf.Node) error {
	if v, err := n.Get("version").Int(0); err != nil || v < 2 {
		return errors.New("file-store version 1 has been removed: set version to 2")
	}
	if o.store != nil {
		o.warn("file-store: a second one is not enabled")
		return nil
	}
	s := &fileStore{dir: n.Get("dir").Str("filestore"), info: n.Get("write-fileinfo").IsTrue(), warn: o.warn}
	s.common = common{vars: false, sensorID: -1, xff: newXFF(n.Get("xff"), o.warn)}
	if !filepath.IsAbs(s.dir) {
		s.dir = filepath.Join(o.opt.Dir, s.dir)
	}
	s.tmp = filepath.Join(s.dir, "tmp")
	if err := os.MkdirAll(s.tmp, 0o777); err != nil {
		return fmt.Errorf("cannot make the directory: %w", err)
	}
	for i := range 256 {
		if err := os.Mkdir(filepath.Join(s.dir, fmt.Sprintf("%02x", i)), 0o777); err != nil && !errors.Is(err, os.ErrExist) {
			return fmt.Errorf("cannot make the directory: %w", err)
		}
	}
	max, err := n.Get("max-open-files").IntIn(0, 0, 1<<31)
	if err != nil {
		return err
	}
	s.maxOpen = max
	if n.Get("force-filestore").IsTrue() {
		o.fileFlags |= file.Store
	}
	if n.Get("force-magic").IsTrue() {
		o.fileFlags |= file.WantMagic
		o.magic = true
	}
	if err := o.forceHash(n); err != nil {
		return err
	}
	o.fileFlags |= file.WantSHA256 | file.PartSHA256
	o.store = s
	for id := range o.masks {
		o.masks[id] |= fileBit
	}
	return nil
}

// forceHash reads the hashes that every file is to have. What is no hash is complained of.
func (o *Output) forceHash(n *conf.Node) error {
	for _, h := range n.Get("force-hash").Strings() {
		switch strings.ToLower(h) {
		case "md5":
			o.fileFlags |= file.WantMD5
		case "sha1":
			o.fileFlags |= file.WantSHA1
		case "sha256":
			o.fileFlags |= file.WantSHA256 | file.PartSHA256
		default:
			return fmt.Errorf("Invalid configuration: force-hash algorithm '%s' must be one of: md5, sha1, sha256", h)
		}
	}
	return nil
}

// fail counts an error of the file system, and tells of the first.
func (s *fileStore) fail(err error) {
	s.errors.Add(1)
	if !s.said.Swap(true) {
		s.warn("file-store: %v; further errors are only counted", err)
	}
}

// stored is a file on its way to the disk. It implements io.WriteCloser for file.File, and never fails towards it.
type stored struct {
	s      *fileStore
	path   string
	f      *os.File // nil while it is not held open
	broken bool
}

var _ io.WriteCloser = (*stored)(nil)

// begin makes the temporary file.
func (s *fileStore) begin() (*stored, uint32) {
	id := s.last.Add(1)
	x := &stored{s: s, path: filepath.Join(s.tmp, "file."+strconv.FormatUint(uint64(id), 10))}
	f, err := os.OpenFile(x.path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		s.fail(err)
		x.broken = true
		return x, id
	}
	switch {
	case s.maxOpen == 0:
	case s.open.Add(1) > s.maxOpen:
		s.open.Add(-1)
		s.maxHits.Add(1)
	default:
		x.f = f
		return x, id
	}
	_ = f.Close()
	return x, id
}

// Write appends b.
func (x *stored) Write(b []byte) (int, error) {
	if x.broken || len(b) == 0 {
		return len(b), nil
	}
	f := x.f
	if f == nil {
		var err error
		if f, err = os.OpenFile(x.path, os.O_WRONLY|os.O_APPEND, 0); err != nil {
			x.fail(err)
			return len(b), nil
		}
		defer f.Close()
	}
	if _, err := f.Write(b); err != nil {
		x.fail(err)
	}
	return len(b), nil
}

func (x *stored) fail(err error) {
	x.broken = true
	x.s.fail(err)
}

// Close lets go of the temporary file, which stays.
func (x *stored) Close() error {
	if x.f != nil {
		x.s.open.Add(-1)
		_ = x.f.Close()
		x.f = nil
	}
	return nil
}

// finish gives the file its final name. It returns the name, empty when there is no such file.
func (x *stored) finish(f *file.File) string {
	_ = x.Close()
	if x.broken {
		_ = os.Remove(x.path)
		return ""
	}
	sum := f.SHA256
	if !f.HasSHA256 { // bytes are missing: what is there has a hash all the same
		in, err := os.Open(x.path)
		if err == nil {
			h := sha256.New()
			_, err = io.Copy(h, in)
			_ = in.Close()
			h.Sum(sum[:0])
		}
		if err != nil {
			x.fail(err)
			return ""
		}
	}
	name := hex.EncodeToString(sum[:])
	path := filepath.Join(x.s.dir, name[:2], name)
	if old, err := os.Lstat(x.path); err == nil {
		if _, err := os.Lstat(path); err == nil { // its time says when it was seen last
			_ = os.Chtimes(path, old.ModTime(), old.ModTime())
			if err := os.Remove(x.path); err != nil {
				x.fail(err)
			}
			return path
		}
	}
	if err := os.Rename(x.path, path); err != nil {
		x.fail(err)
		_ = os.Remove(x.path)
		return ""
	}
	return path
}

// store takes a file that is to be stored further: it begins when it was asked for, and ends with the file.
func (w *Worker) store(u *stream.Unit, s *stream.State, t app.Transaction, tx *app.Tx, f *file.File, d flow.Dir) {
	if f.Flags&file.Stored != 0 || f.Flags&file.Store == 0 {
		return
	}
	x, _ := f.Saver().(*stored)
	if x == nil {
		x, f.StoreID = w.o.store.begin()
		f.Save(x)
	}
	if f.State == file.Open {
		f.Body.Trim()
		return
	}
	f.Flags |= file.Stored
	f.Saved()
	path := x.finish(f)
	if path == "" || !w.o.store.info {
		return
	}
	w.buildFile(&w.o.store.common, u, s, t, tx, f, d)
	for w.b.Depth() > 0 {
		w.b.Close()
	}
	path += "." + strconv.FormatInt(u.Packet.Time/1e9, 10) + "." + strconv.FormatUint(uint64(f.StoreID), 10) + ".json"
	if err := os.WriteFile(path, w.b.Bytes(), 0o644); err != nil {
		w.o.store.fail(err)
	}
}

// Stores reports whether files are stored.
func (o *Output) Stores() bool { return o.store != nil }

// StoreCounts are what file-store counts: files that are open, those that were too many to be held open, and errors.
func (o *Output) StoreCounts() (open, maxHits, errors uint64, on bool) {
	s := o.store
	if s == nil {
		return 0, 0, 0, false
	}
	return uint64(s.open.Load()), s.maxHits.Load(), s.errors.Load(), true
}
