package file

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"hash"
	"io"
)

// State is the life of a File, named in EVE as CLOSED, TRUNCATED, ERROR; an open file is reported as UNKNOWN.
type State uint8

// The states of a file.
const (
	Open State = iota
	Closed
	Truncated
	Failed
)

func (s State) String() string {
	switch s {
	case Closed:
		return "CLOSED"
	case Truncated:
		return "TRUNCATED"
	case Failed:
		return "ERROR"
	}
	return "UNKNOWN"
}

// Flags are marks of a File.
type Flags uint16

// The marks of a file.
const (
	WantMD5 Flags = 1 << iota
	WantSHA1
	WantSHA256
	WantMagic
	Store    // filestore asked for it
	Stored   // it was written
	NoStore  // nobody may store it any more
	HasGaps  // bytes are missing
	HasRange // Start and End say which part of the whole this is
	Logged   // its event was written
	Pruned
	PartSHA256 // the SHA-256 is wanted of a truncated file, too
)

// File is one file that a transaction carries.
type File struct {
	Name       []byte // as the protocol gave it; the file's own memory
	ID         uint32 // number within the flow, from 0
	TxID       uint64
	State      State
	Flags      Flags
	Start, End uint64   // of a range, inclusive; with HasRange
	Sids       []uint32 // rules that asked for it to be stored
	Body       Stream
	size       uint64
	md5        hash.Hash
	sha1       hash.Hash
	sha256     hash.Hash
	MD5        [16]byte // valid once closed, with WantMD5
	SHA1       [20]byte
	SHA256     [32]byte
	HasMD5     bool
	HasSHA1    bool
	HasSHA256  bool
	Magic      []byte // what kind of file it is, once Identify has found out
	identify   func([]byte) string
	head       []byte // the first bytes, as long as its kind may be asked for
	StoreID    uint32 // number among all stored files, of one that is stored
	saver      io.WriteCloser
}

// Begin opens the file. The name is copied.
func (f *File) Begin(name []byte, want Flags, l Limits) {
	f.Saved()
	body, sids, head, kind := f.Body, f.Sids[:0], f.head[:0], f.Magic[:0]
	m5, s1, s2 := f.md5, f.sha1, f.sha256
	*f = File{Name: append(f.Name[:0], name...), Flags: want, Body: body, Sids: sids, head: head, Magic: kind, md5: m5, sha1: s1, sha256: s2}
	f.Body.Reset(l)
	if want&WantMD5 != 0 {
		f.md5 = fresh(f.md5, md5.New)
	}
	if want&WantSHA1 != 0 {
		f.sha1 = fresh(f.sha1, sha1.New)
	}
	if want&WantSHA256 != 0 {
		f.sha256 = fresh(f.sha256, sha256.New)
	}
}

func fresh(h hash.Hash, make func() hash.Hash) hash.Hash {
	if h == nil {
		return make()
	}
	h.Reset()
	return h
}

// Append adds data to an open file.
func (f *File) Append(b []byte) {
	if f.State != Open || len(b) == 0 {
		return
	}
	f.size += uint64(len(b))
	f.Body.Append(b)
	if f.identify != nil {
		f.head = append(f.head, b[:min(len(b), maxHead-len(f.head))]...)
	}
	if f.saver != nil {
		_, _ = f.saver.Write(b) // errors are the saver's
	}
	gaps := f.Flags&HasGaps != 0 // a file with gaps has but one hash, of what is there, and that if it is insisted on
	if f.Flags&WantMD5 != 0 && !gaps {
		f.md5.Write(b)
	}
	if f.Flags&WantSHA1 != 0 && !gaps {
		f.sha1.Write(b)
	}
	if f.Flags&WantSHA256 != 0 && (!gaps || f.Flags&PartSHA256 != 0) {
		f.sha256.Write(b)
	}
}

// maxHead is how much of a file its kind is told by.
const maxHead = 1 << 16

// minMagic is how much of an open file must be there before its kind is asked for.
const minMagic = 512

// Identifier says who names the kind of the file that was just begun; only with WantMagic.
func (f *File) Identifier(identify func(head []byte) string) {
	if f.Flags&WantMagic != 0 {
		f.identify = identify
	}
}

// Identify returns what kind of file it is, as soon as enough of it is there; until then, and if nobody knows, it is empty.
func (f *File) Identify() []byte {
	if f.identify != nil && len(f.head) > 0 && (f.size >= minMagic || f.State != Open) {
		f.Magic = append(f.Magic[:0], f.identify(f.head)...)
		f.identify, f.head = nil, f.head[:0]
	}
	return f.Magic
}

// Save hands what is kept of the file, and all that follows, to w, which must not keep the bytes. Saved or another Begin
// closes it.
func (f *File) Save(w io.WriteCloser) {
	b, _ := f.Body.All()
	_, _ = w.Write(b)
	f.saver = w
}

// Saver returns what Save was given, until Saved.
func (f *File) Saver() io.WriteCloser { return f.saver }

// Saved ends what Save began.
func (f *File) Saved() {
	if f.saver != nil {
		_ = f.saver.Close()
		f.saver = nil
	}
}

// Gap tells of n bytes that were lost.
func (f *File) Gap(n uint64) {
	if f.State != Open {
		return
	}
	f.size += n
	f.Flags |= HasGaps
	f.Body.Skip(n)
}

// Close ends the file. A truncated or failed file, and one with gaps, has no hashes but what PartSHA256 asks for.
func (f *File) Close(s State) {
	if f.State != Open {
		return
	}
	f.State = s
	f.Body.Finish()
	if s != Closed || f.Flags&HasGaps != 0 {
		if s == Closed && f.Flags&HasGaps != 0 {
			f.State = Truncated
		}
		if f.State == Truncated && f.Flags&(PartSHA256|WantSHA256) == PartSHA256|WantSHA256 {
			f.sha256.Sum(f.SHA256[:0])
			f.HasSHA256 = true
		}
		return
	}
	if f.Flags&WantMD5 != 0 {
		f.md5.Sum(f.MD5[:0])
		f.HasMD5 = true
	}
	if f.Flags&WantSHA1 != 0 {
		f.sha1.Sum(f.SHA1[:0])
		f.HasSHA1 = true
	}
	if f.Flags&WantSHA256 != 0 {
		f.sha256.Sum(f.SHA256[:0])
		f.HasSHA256 = true
	}
}

// Size is the number of bytes of the file so far, gaps included.
func (f *File) Size() uint64 { return f.size }
