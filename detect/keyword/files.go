package keyword

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"

	"sentinel/detect"
	"sentinel/stream/file"
)

// files lists the keywords on files.
func files() []detect.Keyword {
	return []detect.Keyword{
		{Name: "fileext", Doc: "match on the extension of a file name", Flags: detect.MaybeQuoted | detect.Negatable, Setup: func(b *detect.Builder, v string) error {
			return b.Files(fileExt{"." + strings.ToLower(v), b.Negated}, detect.NeedFile|detect.NeedFileName)
		}},
		{Name: "filename", Doc: "match on the file name", Flags: detect.MaybeQuoted | detect.Negatable, Setup: func(b *detect.Builder, v string) error {
			return b.Files(fileName{strings.ToLower(v), b.Negated}, detect.NeedFile|detect.NeedFileName)
		}},
		{Name: "filesize", Doc: "match on the size of the file as it is being transferred", Setup: func(b *detect.Builder, v string) error {
			v, err := b.Direction(v)
			if err != nil {
				return err
			}
			u, err := detect.ParseUint(v, 64, nil)
			if err != nil {
				return err
			}
			return b.Files(fileSize{u}, detect.NeedFile|detect.NeedFileSize)
		}},
		{Name: "filemd5", Doc: "match file MD5 against list of MD5 checksums", Flags: detect.Negatable, Setup: hashKeyword(16, detect.NeedMD5)},
		{Name: "filesha1", Doc: "match file SHA-1 against list of SHA-1 checksums", Flags: detect.Negatable, Setup: hashKeyword(20, detect.NeedSHA1)},
		{Name: "filesha256", Doc: "match file SHA-256 against list of SHA-256 checksums", Flags: detect.Negatable, Setup: hashKeyword(32, detect.NeedSHA256)},
		{Name: "filestore", Doc: "stores files to disk if the rule matched", Flags: detect.OptionalValue, Setup: filestore},
		{Name: "filemagic", Doc: "match on the information libmagic returns about a file", Flags: detect.MaybeQuoted | detect.Negatable, Setup: func(b *detect.Builder, v string) error {
			if !b.Config().DefineFileMagic {
				return problem("no libmagic support built in, needed for filemagic keyword")
			}
			return b.Files(fileMagic{strings.ToLower(v), b.Negated}, detect.NeedFile|detect.NeedFileMagic)
		}},
	}
}

type fileExt struct {
	ext     string
	negated bool
}

// MatchFile compares the end of the name, without regard to case.
func (m fileExt) MatchFile(_ *detect.Ctx, f *file.File) bool {
	ok := len(f.Name) >= len(m.ext) && equalFold(f.Name[len(f.Name)-len(m.ext):], m.ext)
	return ok != m.negated
}

// equalFold compares ASCII without regard to case; s is lower case.
func equalFold(b []byte, s string) bool {
	if len(b) != len(s) {
		return false
	}
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != s[i] {
			return false
		}
	}
	return true
}

func containsFold(b []byte, s string) bool {
	for i := 0; i+len(s) <= len(b); i++ {
		if equalFold(b[i:i+len(s)], s) {
			return true
		}
	}
	return false
}

type fileName struct {
	part    string
	negated bool
}

// MatchFile looks for a part of the name.
func (m fileName) MatchFile(_ *detect.Ctx, f *file.File) bool {
	return containsFold(f.Name, m.part) != m.negated
}

type fileMagic struct {
	part    string
	negated bool
}

// MatchFile looks for a part of what file magic says.
func (m fileMagic) MatchFile(_ *detect.Ctx, f *file.File) bool {
	s := f.Identify()
	return len(s) > 0 && containsFold(s, m.part) != m.negated
}

type fileSize struct{ u detect.Uint }

// MatchFile compares the size. While the file is open only "greater" can be told; the engine waits for its end.
func (m fileSize) MatchFile(_ *detect.Ctx, f *file.File) bool {
	return f.State == file.Closed && m.u.Match(f.Size()) || f.State == file.Truncated && m.u.Match(f.Size())
}

type fileHash struct {
	list    *hashList
	negated bool
}

type hashList struct {
	size int
	set  map[string]struct{}
}

// MatchFile looks the file's hash up.
func (m fileHash) MatchFile(_ *detect.Ctx, f *file.File) bool {
	if f.State != file.Closed {
		return false
	}
	var b []byte
	switch m.list.size {
	case 16:
		b = f.MD5[:]
	case 20:
		b = f.SHA1[:]
	default:
		b = f.SHA256[:]
	}
	_, ok := m.list.set[string(b)]
	return ok != m.negated
}

// maxHashFile bounds a list of hashes.
const maxHashFile = 1 << 28

func hashKeyword(size int, need detect.FileNeeds) func(*detect.Builder, string) error {
	return func(b *detect.Builder, v string) error {
		path := v
		if !filepath.IsAbs(path) {
			path = filepath.Join(filepath.Dir(b.Rule().File), v)
			if _, err := os.Stat(path); err != nil && b.Config().RulePath != "" {
				path = filepath.Join(b.Config().RulePath, v)
			}
		}
		st, err := os.Stat(path)
		if err != nil || st.Size() > maxHashFile {
			return problem("opening hash file " + v + " failed")
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return problem("opening hash file " + v + " failed")
		}
		l := &hashList{size: size, set: map[string]struct{}{}}
		sc := bufio.NewScanner(bytes.NewReader(data))
		for sc.Scan() {
			line := strings.TrimSpace(sc.Text())
			if line == "" || line[0] == '#' {
				continue
			}
			if len(line) < 2*size {
				return problem("hash file " + v + ": invalid line \"" + line + "\"")
			}
			h, err := hex.DecodeString(line[:2*size])
			if err != nil {
				return problem("hash file " + v + ": invalid line \"" + line + "\"")
			}
			l.set[string(h)] = struct{}{}
		}
		return b.Files(fileHash{l, b.Negated}, detect.NeedFile|need)
	}
}

// filestore asks for files to be stored.
func filestore(b *detect.Builder, v string) error {
	scope, ts, tc := detect.StoreFile, true, true
	words := strings.Split(v, ",")
	if v == "" {
		words = nil
	}
	if len(words) > 3 {
		return problem("pcre_exec parse error, ret -1, string " + v)
	}
	for _, w := range words {
		switch w = strings.TrimSpace(w); w {
		case "both", "file":
		case "request", "to_server":
			ts, tc = true, false
		case "response", "to_client":
			ts, tc = false, true
		case "tx":
			scope = detect.StoreTx
		case "ssn", "flow":
			scope = detect.StoreFlow
		default:
			return problem("invalid filestore option \"" + w + "\"")
		}
	}
	if b.Bypasses() {
		return problem("filestore can't work with bypass keyword")
	}
	b.Filestore(scope, ts, tc)
	return b.Files(anyFile{}, detect.NeedFile)
}

type anyFile struct{}

// MatchFile is true for every file: the others of the rule decide.
func (anyFile) MatchFile(*detect.Ctx, *file.File) bool { return true }
