package chain

// Window is where in a buffer a content can be, counted from the start of what is inspected as a whole:
// it begins at From or later and ends at To or earlier. To is 0 if there is no bound.
type Window struct {
	From, To uint32
}

// Windows works out the windows of the contents of a chain, for choosing and placing patterns to search
// beforehand; entries of other conditions and of negated contents are zero. If the chain matches, each
// content that is not negated has a hit in its window.
//
//	content:"a"; depth:4; content:"bc"; distance:1; within:5;
//	         [0, 4)                [1+1, 4+1+5)
func Windows(elems []Elem) []Window {
	ws := make([]Window, len(elems))
	// The end of the last match lies from least to most; most is -1 if there is no bound.
	var least, most int64
	for i, e := range elems {
		switch e := e.(type) {
		case *Content:
			from, to := e.window(least, most)
			size := int64(len(e.Data))
			if e.Negated {
				continue // it does not move the position
			}
			ws[i] = Window{uint32(from), uint32(max(to, 0))}
			least, most = from+size, to
		case *IsDataAt, *ByteTest, *BSize: // do not move the position
		default:
			least, most = 0, -1
		}
	}
	return ws
}

// window returns the least start and the greatest end, -1 if unbounded, of a content after a match that
// ends between least and most.
func (c *Content) window(least, most int64) (from, to int64) {
	to = -1
	if !c.HasDistance && !c.HasWithin {
		if c.HasOffset && c.Offset.Var == "" {
			from = c.Offset.N
		}
		switch {
		case c.StartsWith:
			to = int64(len(c.Data))
		case c.HasDepth && c.Depth.Var == "" && !(c.HasOffset && c.Offset.Var != ""):
			to = from + c.Depth.N
		}
		return from, to
	}
	if c.HasDistance && c.Distance.Var != "" {
		return 0, -1
	}
	from = max(0, least+c.Distance.N)
	// A sum below zero wraps when matching, and then bounds nothing.
	if c.HasWithin && c.Within.Var == "" && most >= 0 && c.Distance.N+c.Within.N >= 0 {
		to = most + c.Distance.N + c.Within.N
	}
	return from, to
}
