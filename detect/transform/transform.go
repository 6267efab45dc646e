package transform

// Func changes the bytes of a buffer. It may return src, a part of it, or bytes appended to dst, which is empty and has some
// capacity; the result must not share memory with anything else. nil means that the buffer is absent.
type Func func(dst, src []byte) []byte

// Transform is one use of a transform keyword.
type Transform struct {
	Name    string
	Options string // equal options make equal transforms
	Apply   Func
	// Check validates a content that is looked for in what the transform makes; nil = everything goes.
	Check func(content []byte) error
}

// Keyword is a transform's keyword.
type Keyword struct {
	Name      string
	Doc       string
	Optional  bool // the options may be missing
	NoValue   bool
	Quoted    bool // the options may be in quotes
	MustQuote bool // the options must be in quotes
	Setup     func(options string) (Transform, error)
}

// All lists the transforms in the order of the user guide.
func All() []Keyword {
	return []Keyword{
		dotprefix(), domain(), tld(), stripWhitespace(), compressWhitespace(), toLowercase(), toMD5(), toUppercase(), toSHA1(), toSHA256(),
		pcrexform(), urlDecode(), xor(), headerLowercase(), stripPseudoHeaders(), fromBase64(), subslice(), gunzip(), zlibDeflate(),
	}
}

type invalid string

func (e invalid) Error() string { return string(e) }

// plain is a transform without options.
func plain(name, doc string, f Func, check func([]byte) error) Keyword {
	return Keyword{Name: name, Doc: doc, NoValue: true, Setup: func(string) (Transform, error) {
		return Transform{Name: name, Apply: f, Check: check}, nil
	}}
}
