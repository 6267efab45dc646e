package keyword

import (
	"strconv"
	"strings"

	"sentinel/detect"
)

// The version of Suricata that this engine behaves as.
var version = [3]int{9, 0, 0}

// requires skips the rule when the engine is not what it asks for: "version >= 8.0.0 < 9 | >= 9.1, feature geoip, keyword x".
func requires(b *detect.Builder, v string) error {
	seenVersion := false
	for _, part := range strings.Split(v, ",") {
		word, rest, _ := strings.Cut(strings.TrimSpace(part), " ")
		rest = strings.TrimSpace(rest)
		switch word {
		case "version":
			if seenVersion {
				return problem("Version already set")
			}
			seenVersion = true
			ok, err := versionHolds(rest)
			if err != nil {
				return err
			}
			if !ok {
				return b.Skip("the rule is for another version: " + rest)
			}
		case "feature":
			if !b.Config().Features[rest] {
				return b.Skip("missing a required feature: feature " + rest)
			}
		case "keyword":
			if !b.Knows(rest) {
				return b.Skip("missing a required keyword: keyword " + rest)
			}
		case "":
			return problem("Failed to parse option")
		default:
			// What is not known cannot be met.
			return b.Skip("unknown requirement: " + word)
		}
	}
	return nil
}

// versionHolds reads alternatives of comparisons that must all hold.
func versionHolds(s string) (bool, error) {
	if s == "" {
		return false, problem("Expected version")
	}
	any := false
	for _, alt := range strings.Split(s, "|") {
		all := true
		alt = strings.TrimSpace(alt)
		if alt == "" {
			return false, problem("Expected version")
		}
		for alt != "" {
			op := ""
			for _, o := range [...]string{">=", "<=", ">", "<"} {
				if strings.HasPrefix(alt, o) {
					op = o
					break
				}
			}
			if op == "" {
				return false, problem("Bad requires version: " + s)
			}
			alt = strings.TrimSpace(alt[len(op):])
			num, rest, _ := strings.Cut(alt, " ")
			alt = strings.TrimSpace(rest)
			var want [3]int
			parts := strings.Split(num, ".")
			if len(parts) > 3 {
				return false, problem("Bad requires version: " + s)
			}
			for i, p := range parts {
				p, _, _ = strings.Cut(p, "-")
				n, err := strconv.Atoi(p)
				if err != nil || n < 0 {
					return false, problem("Bad requires version: " + s)
				}
				want[i] = n
			}
			cmp := 0
			for i := range want {
				if version[i] != want[i] {
					cmp = 1
					if version[i] < want[i] {
						cmp = -1
					}
					break
				}
			}
			switch op {
			case ">=":
				all = all && cmp >= 0
			case "<=":
				all = all && cmp <= 0
			case ">":
				all = all && cmp > 0
			case "<":
				all = all && cmp < 0
			}
		}
		any = any || all
	}
	return any, nil
}
