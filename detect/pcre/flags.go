package pcre

// Flags are compile options.
type Flags uint16

// The options, with the modifier that sets them.
const (
	Caseless         Flags = 1 << iota // i
	Multiline                          // m
	DotAll                             // s
	Extended                           // x
	Anchored                           // A
	DollarEndOnly                      // E
	Ungreedy                           // G
	NoAutoCapture                      // plain groups do not capture, unless the expression refers to them
	ConfiguredLimits                   // O: the configured match limits hold instead of the default ones
)

// Limits bound the work of one match. They are PCRE2's: internal match calls, and their nesting, which
// machine code does not count.
type Limits struct {
	Match, Depth uint32
}

// DefaultLimits hold for expressions without the O modifier.
var DefaultLimits = Limits{Match: 3500, Depth: 1500}

// maxGroups is how many groups a Matcher keeps, the whole match being the first.
const maxGroups = 32
