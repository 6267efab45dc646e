package detect

import (
	"io"
	"strings"
)

// References is a reference.config: prefixes of URLs by the key that rules use.
type References struct {
	urls map[string]string
}

// URL returns the prefix of a key, without regard to case.
func (r *References) URL(key string) (string, bool) {
	if r == nil {
		return "", false
	}
	u, ok := r.urls[strings.ToLower(key)]
	return u, ok
}

// Len is the number of keys.
func (r *References) Len() int {
	if r == nil {
		return 0
	}
	return len(r.urls)
}

// ParseReferences reads "config reference: key url" lines. Lines that are wrong are left out, each with an error.
func ParseReferences(in io.Reader, file string) (*References, []error) {
	r := &References{urls: map[string]string{}}
	var errs []error
	lines(in, func(n int, line string) {
		rest, ok := configLine(line, "reference")
		key, url, ok2 := rest, "", false
		if i := strings.IndexAny(rest, " \t"); i >= 0 {
			key, url, ok2 = rest[:i], strings.TrimSpace(rest[i:]), true
		}
		if !ok || !ok2 || url == "" || !isClassName(key) {
			errs = append(errs, lineError(file, n, "Invalid Reference Config in reference.config file: \""+line+"\""))
			return
		}
		key = strings.ToLower(key)
		if _, dup := r.urls[key]; !dup {
			r.urls[key] = url
		}
	})
	return r, errs
}
