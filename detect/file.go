package detect

import "sentinel/stream/file"

// FileNeeds says what must be known of a file before conditions on it are tried.
type FileNeeds uint16

// The needs.
const (
	NeedFile FileNeeds = 1 << iota
	NeedFileName
	NeedFileMagic
	NeedFileContent
	NeedMD5
	NeedSHA1
	NeedSHA256
	NeedFileSize
)

// FileMatch is a condition on one file of a transaction.
type FileMatch interface {
	MatchFile(c *Ctx, f *file.File) bool
}
