package keyword

import (
	"strconv"
	"strings"

	"sentinel/detect"
	"sentinel/detect/chain"
)

// payload lists content with its modifiers, and the other conditions that have a place in a buffer.
func payload() []detect.Keyword {
	return []detect.Keyword{
		{Name: "content", Doc: "match on payload content", Flags: detect.Quoted | detect.Negatable, Setup: content},
		{Name: "nocase", Doc: "modify content match to be case insensitive", Flags: detect.NoValue | detect.Modifier, Setup: nocase},
		{Name: "depth", Doc: "designate how many bytes from the beginning of the payload will be checked", Flags: detect.Modifier, Setup: depth},
		{Name: "offset", Doc: "designate from which byte in the payload will be checked to find a match", Flags: detect.Modifier, Setup: offset},
		{Name: "distance", Doc: "indicates a relation between this content keyword and the content preceding it", Flags: detect.Modifier, Setup: distance},
		{Name: "within", Doc: "indicate that this content match has to be within a certain distance of the previous content keyword match", Flags: detect.Modifier, Setup: within},
		{Name: "startswith", Doc: "pattern must be at the start of a buffer (same as 'depth:<pattern len>')", Flags: detect.NoValue | detect.Modifier, Setup: startswith},
		{Name: "endswith", Doc: "make sure the previous content matches exactly at the end of the buffer", Flags: detect.NoValue | detect.Modifier, Setup: endswith},
		{Name: "fast_pattern", Doc: "force using preceding content in the multi pattern matcher", Flags: detect.OptionalValue | detect.Modifier, Setup: fastPattern},
		{Name: "isdataat", Doc: "check if there is still data on a specific part of the payload", Flags: detect.Negatable, Setup: elem(func(b *detect.Builder, v string) (chain.Elem, error) { return chain.ParseIsDataAt(negate(b, v)) })},
		{Name: "byte_test", Doc: "extract <num of bytes> and perform an operation selected with <operator> against the value in <test value> at a particular <offset>", Setup: elem(func(_ *detect.Builder, v string) (chain.Elem, error) { return chain.ParseByteTest(v) })},
		{Name: "byte_jump", Doc: "allow the ability to select a <num of bytes> from an <offset> and move the detection pointer to that position", Flags: detect.MaybeQuoted, Setup: elem(func(_ *detect.Builder, v string) (chain.Elem, error) { return chain.ParseByteJump(v) })},
		{Name: "byte_extract", Doc: "extract <num of bytes> at a particular <offset> and store it in <var_name>", Setup: elem(func(_ *detect.Builder, v string) (chain.Elem, error) { return chain.ParseByteExtract(v) })},
		{Name: "byte_math", Doc: "used to perform mathematical operations on byte values", Setup: elem(func(_ *detect.Builder, v string) (chain.Elem, error) { return chain.ParseByteMath(v) })},
		{Name: "pcre", Doc: "match on regular expression", Flags: detect.MaybeQuoted | detect.Negatable, Setup: pcreKeyword},
	}
}

func negate(b *detect.Builder, v string) string {
	if b.Negated {
		return "!" + v
	}
	return v
}

// elem makes a keyword of something that detect/chain parses.
func elem(parse func(b *detect.Builder, v string) (chain.Elem, error)) func(*detect.Builder, string) error {
	return func(b *detect.Builder, v string) error {
		e, err := parse(b, v)
		if err != nil {
			return err
		}
		if err := known(b, e); err != nil {
			return err
		}
		if ofDCE(e) && len(b.Apps("dcerpc")) > 0 {
			// The byte order is that of a DCERPC message. Without the protocol the condition is never true.
			if err := b.Restrict("dcerpc"); err != nil {
				return err
			}
		}
		return b.Elem(e)
	}
}

// ofDCE reports whether a condition reads a number as a DCERPC header says.
func ofDCE(e chain.Elem) bool {
	switch x := e.(type) {
	case *chain.ByteTest:
		return x.DCE
	case *chain.ByteJump:
		return x.DCE
	case *chain.ByteExtract:
		return x.DCE
	case *chain.ByteMath:
		return x.DCE
	}
	return false
}

// known checks that the variables a condition uses were set before it.
func known(b *detect.Builder, e chain.Elem) error {
	has := b.HasVariable
	if b.Sticky() {
		has = b.HasBufferVariable
	}
	check := func(text string, nums ...chain.Num) error {
		for _, n := range nums {
			if !has(n.Var) {
				return problem(text + n.Var)
			}
		}
		return nil
	}
	switch x := e.(type) {
	case *chain.ByteTest:
		return check("Unknown byte_extract var seen in byte_test - ", x.Bytes, x.Value, x.Offset)
	case *chain.ByteJump:
		return check("Unknown byte_extract var seen in byte_jump - ", x.Bytes, x.Offset)
	case *chain.IsDataAt:
		has = b.HasVariable
		return check("Unknown byte_extract var seen in isdataat - ", x.At)
	case *chain.ByteMath:
		if x.Relative && b.Sticky() && !b.AnyMatch() {
			return problem("relative specified without previous pattern match")
		}
		if err := check("unknown byte_ keyword var seen in byte_math - ", x.Bytes, x.Value); err != nil {
			return err
		}
		b.SetVariable(x.Name)
	case *chain.ByteExtract:
		b.SetVariable(x.Name)
	}
	return nil
}

func content(b *detect.Builder, v string) error {
	data, err := chain.ParseBytes(v)
	if err != nil {
		if why := badContent(v); why != "" {
			return problem(why)
		}
		return err
	}
	if len(data) == 0 {
		return problem("the content is empty")
	}
	c := &detect.Content{}
	c.Data, c.Negated = data, b.Negated
	return b.Content(c)
}

// badContent says what is wrong with a content in the words that readers of logs know.
func badContent(v string) string {
	hex, escape, bars, half := false, false, 0, 0
	for i := 0; i < len(v); i++ {
		c := v[i]
		switch {
		case c == '|':
			if bars++; hex && half > 0 {
				return "Incomplete hex code in content - " + v + ". Invalidating signature."
			}
			hex, half = !hex, 0
		case c == '\\' && !escape:
			escape = true
		case hex:
			switch {
			case c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f':
				half = (half + 1) % 2
			case c != ' ' && c != ',':
				return "Invalid hex code in content - " + v + ", hex " + string(rune(c)) + ". Invalidating signature."
			}
		case escape:
			if strings.IndexByte(`:;\"`, c) < 0 {
				return "'" + v[i-1:i] + "' has to be escaped"
			}
			escape = false
		case c == '"':
			return "Invalid unescaped double quote within content section."
		}
	}
	if bars%2 != 0 {
		return "Invalid hex code assembly in content - " + v + ".  Invalidating signature."
	}
	return ""
}

func nocase(b *detect.Builder, _ string) error {
	c := b.Last()
	if c == nil {
		return problem("nocase needs preceding content option")
	}
	if c.Nocase {
		return problem("can't use multiple nocase modifiers with the same content")
	}
	c.Nocase = true
	return nil
}

const (
	mixed = "can't use a relative keyword like within/distance with a absolute relative keyword like depth/offset for the same content."
)

// absolute checks what depth, offset and startswith have in common.
func absolute(b *detect.Builder, word string) (*detect.Content, error) {
	c := b.Last()
	switch {
	case c == nil && word == "depth":
		return nil, problem("depth needs preceding content, uricontent option, http_client_body, http_server_body, http_header option, http_raw_header option, http_method option, http_cookie, http_raw_uri, http_stat_msg, http_stat_code, http_user_agent, http_host, http_raw_host or file_data/dce_stub_data sticky buffer options.")
	case c == nil:
		return nil, problem(word + " needs preceding content option")
	case c.HasWithin || c.HasDistance:
		return nil, problem(mixed)
	case c.Negated && c.Fast:
		return nil, problem("can't have a relative negated keyword set along with 'fast_pattern'.")
	case c.FastOnly:
		return nil, problem("can't have a relative keyword set along with 'fast_pattern:only;'.")
	}
	return c, nil
}

func depth(b *detect.Builder, v string) error {
	c, err := absolute(b, "depth")
	if err != nil {
		return err
	}
	if c.HasDepth || c.StartsWith {
		return problem("can't use multiple depths for the same content.")
	}
	n, err := chain.ParseNumber(v, 0, chain.MaxOffset)
	if err != nil {
		return problem("invalid value for depth: " + v + ".")
	}
	if !b.HasVariable(n.Var) {
		return problem("unknown byte_ keyword var seen in depth - " + n.Var + ".")
	}
	if n.Var == "" && n.N < int64(len(c.Data)) {
		return problem("depth:" + strconv.FormatInt(n.N, 10) + " smaller than content of len " + strconv.Itoa(len(c.Data)) + ".")
	}
	c.HasDepth, c.Depth = true, n
	return nil
}

func offset(b *detect.Builder, v string) error {
	c, err := absolute(b, "offset")
	if err != nil {
		return err
	}
	if c.StartsWith {
		return problem("can't use offset with startswith.")
	}
	if c.HasOffset {
		return problem("can't use multiple offsets for the same content.")
	}
	n, err := chain.ParseNumber(v, 0, chain.MaxOffset)
	if err != nil {
		return problem("invalid value for offset: " + v + ".")
	}
	if !b.HasVariable(n.Var) {
		return problem("unknown byte_ keyword var seen in offset - " + n.Var + ".")
	}
	c.HasOffset, c.Offset = true, n
	return nil
}

func startswith(b *detect.Builder, _ string) error {
	c, err := absolute(b, "startswith")
	if err != nil {
		return err
	}
	if c.HasDepth || c.StartsWith {
		return problem("can't use multiple depths/startswith settings for the same content.")
	}
	if c.HasOffset {
		return problem("can't use offset with startswith.")
	}
	c.StartsWith = true
	return nil
}

func endswith(b *detect.Builder, _ string) error {
	c := b.Last()
	if c == nil {
		return problem("endswith needs a preceding content option")
	}
	if c.EndsWith {
		return problem("can't use multiple endswith settings for the same content.")
	}
	c.EndsWith = true
	return nil
}

// relative checks what distance and within have in common.
func relative(b *detect.Builder, word string) (*detect.Content, error) {
	c := b.Last()
	switch {
	case c == nil:
		return nil, problem(word + " needs preceding content option")
	case c.HasDepth || c.HasOffset || c.StartsWith:
		return nil, problem(mixed)
	case c.Negated && c.Fast:
		return nil, problem("can't have a relative negated keyword set along with a fast_pattern")
	case c.FastOnly:
		return nil, problem("can't have a relative keyword set along with a fast_pattern:only;")
	}
	if prev, _ := b.Previous(c); prev != nil && prev.FastOnly {
		return nil, problem("previous keyword has a fast_pattern:only; set. Can't have relative keywords around a fast_pattern only content")
	}
	return c, nil
}

func distance(b *detect.Builder, v string) error {
	if c := b.Last(); c != nil && c.HasDistance {
		return problem("can't use multiple distances for the same content.")
	}
	c, err := relative(b, "distance")
	if err != nil {
		return err
	}
	n, err := chain.ParseNumber(v, -chain.MaxDistance, chain.MaxDistance)
	if err != nil {
		return problem("invalid value for distance: " + v)
	}
	if !b.HasVariable(n.Var) {
		return problem("unknown byte_ keyword var seen in distance - " + n.Var)
	}
	c.HasDistance, c.Distance = true, n
	return nil
}

func within(b *detect.Builder, v string) error {
	if c := b.Last(); c != nil && c.HasWithin {
		return problem("can't use multiple withins for the same content.")
	}
	c, err := relative(b, "within")
	if err != nil {
		return err
	}
	n, err := chain.ParseNumber(v, -chain.MaxDistance, chain.MaxDistance)
	if err != nil {
		return problem("invalid value for within: " + v)
	}
	if !b.HasVariable(n.Var) {
		return problem("unknown byte_ keyword var seen in within - " + n.Var)
	}
	if n.Var == "" && n.N < int64(len(c.Data)) {
		return problem("within argument \"" + strconv.FormatInt(n.N, 10) + "\" is less than the content length \"" + strconv.Itoa(len(c.Data)) + "\" which is invalid, since this will never match.  Invalidating signature")
	}
	c.HasWithin, c.Within = true, n
	return nil
}

func fastPattern(b *detect.Builder, v string) error {
	c := b.Last()
	if c == nil {
		return problem("fast_pattern found inside the rule, without a content context. Please use a content based keyword before using fast_pattern")
	}
	if b.AfterBase64() {
		return problem("fast_pattern cannot be used with base64_data")
	}
	bound := c.HasDistance || c.HasWithin || c.HasOffset || c.HasDepth || c.StartsWith
	if c.Negated && bound {
		return problem("fast_pattern; cannot be used with negated content, along with relative modifiers")
	}
	v = strings.TrimSpace(v)
	switch {
	case v == "":
		if c.Fast {
			return problem("can't use multiple fast_pattern options for the same content")
		}
		if b.AnyFast() {
			return problem("fast_pattern can be used on only one content in a rule")
		}
	case v == "only":
		if c.Negated || bound {
			return problem("fast_pattern: only; cannot be used with negated content or with any of the relative modifiers like distance, within, offset, depth")
		}
		c.FastOnly = true
	default:
		l, r, ok := strings.Cut(v, ",")
		from, err1 := strconv.ParseUint(strings.TrimSpace(l), 10, 16)
		n, err2 := strconv.ParseUint(strings.TrimSpace(r), 10, 16)
		if !ok || err1 != nil || err2 != nil || n == 0 {
			return problem("parse error, string " + v)
		}
		if from+n > uint64(len(c.Data)) {
			return problem("Fast pattern (length + offset (" + strconv.FormatUint(from+n, 10) + ")) exceeds pattern length (" + strconv.Itoa(len(c.Data)) + ")")
		}
		c.Chop, c.ChopOffset, c.ChopLen = true, int(from), int(n)
	}
	c.Fast = true
	return nil
}
