package keyword

import (
	"math"
	"strconv"
	"strings"

	"sentinel/detect"
	"sentinel/detect/chain"
)

// entropy compares Shannon's entropy of the buffer, or of a part of it, in bits a byte: "bytes N, offset N, value >= 4.5", in
// any order; only the value must be there.
func entropy() detect.Keyword {
	return detect.Keyword{Name: "entropy", Doc: "calculate entropy", Setup: elem(func(_ *detect.Builder, v string) (chain.Elem, error) {
		e, err := parseEntropy(v)
		if err != nil {
			return nil, err
		}
		return &chain.Check{Checker: e}, nil
	})}
}

// entropyCheck is the condition.
type entropyCheck struct {
	size, offset int
	value        floatTest
}

func parseEntropy(s string) (e entropyCheck, err error) {
	parts := strings.Split(s, ",")
	if len(parts) > 4 {
		return e, problem("Incorrect argument string; at least 1 values must be specified but no more than 4: \"" + s + "\"")
	}
	seen := map[string]bool{}
	for _, p := range parts {
		name, val, _ := strings.Cut(strings.TrimSpace(p), " ")
		val = strings.TrimSpace(val)
		if seen[name] {
			return e, problem(name + " already set")
		}
		seen[name] = true
		switch name {
		case "bytes", "offset":
			n, err := strconv.ParseInt(val, 10, 32)
			if err != nil {
				return e, problem("invalid " + name + " value: " + val)
			}
			if name == "bytes" {
				e.size = int(n)
				break
			}
			if n > 65535 || n < -65535 {
				return e, problem("invalid offset value: must be between -65535 and 65535: " + val)
			}
			e.offset = int(n)
		case "value":
			v, ok := parseFloatTest(val)
			if !ok {
				return e, problem("invalid entropy value: " + val)
			}
			e.value = v
		default:
			return e, problem("unknown entropy option: " + name)
		}
	}
	if !seen["value"] {
		return e, problem("required entropy parameter missing: \"" + s + "\"")
	}
	return e, nil
}

// Check implements chain.Checker.
func (e entropyCheck) Check(data []byte, _ int) chain.Verdict {
	if e.offset > 0 {
		if e.offset > len(data) {
			return chain.NoMatch
		}
		data = data[e.offset:]
	}
	if e.size > 0 {
		if e.size > len(data) {
			return chain.NoMatch
		}
		data = data[:e.size]
	}
	if e.value.holds(shannon(data)) {
		return chain.Match
	}
	return chain.NoMatch
}

func shannon(data []byte) float64 {
	if len(data) == 0 {
		return 0
	}
	var count [256]uint32
	for _, c := range data {
		count[c]++
	}
	sum, n := 0.0, float64(len(data))
	for _, k := range count {
		if k > 0 {
			p := float64(k) / n
			sum -= p * math.Log2(p)
		}
	}
	return sum
}

// floatTest is a comparison of a number; ranges exclude their ends.
type floatTest struct {
	op   string // =, !=, <, <=, >, >=, -, !-
	a, b float64
}

func parseFloatTest(s string) (t floatTest, ok bool) {
	s = strings.Trim(s, " ")
	body, not := strings.CutPrefix(s, "!")
	for _, sep := range [...]string{"<>", "-"} {
		l, r, cut := strings.Cut(body, sep)
		if !cut || l == "" {
			continue
		}
		a, ok1 := decimal(strings.TrimRight(l, " "))
		b, ok2 := decimal(strings.TrimLeft(r, " "))
		if !ok1 || !ok2 || b <= a {
			return t, false
		}
		t = floatTest{"-", a, b}
		if not {
			t.op = "!-"
		}
		return t, true
	}
	for _, op := range [...]string{">=", "<=", "!=", ">", "<", "="} {
		if rest, cut := strings.CutPrefix(s, op); cut {
			t.op = op
			t.a, ok = decimal(strings.TrimLeft(rest, " "))
			return t, ok
		}
	}
	t.op = "="
	t.a, ok = decimal(s)
	return t, ok
}

func decimal(s string) (float64, bool) {
	f, err := strconv.ParseFloat(s, 64)
	return f, err == nil && !math.IsNaN(f) && !math.IsInf(f, 0)
}

func (t floatTest) holds(x float64) bool {
	switch t.op {
	case "=":
		return x == t.a
	case "!=":
		return x != t.a
	case "<":
		return x < t.a
	case "<=":
		return x <= t.a
	case ">":
		return x > t.a
	case ">=":
		return x >= t.a
	case "-":
		return x > t.a && x < t.b
	}
	return x <= t.a || x >= t.b
}
