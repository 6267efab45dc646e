package machine

import (
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"sentinel/internal/cpulist"
)

// path is where a file of the machine is.
func (s *System) path(parts ...string) string {
	root := s.Root
	if root == "" {
		root = "/"
	}
	return filepath.Join(append([]string{root}, parts...)...)
}

// text reads a short file without the white space around it; empty = it cannot be read.
func (s *System) text(parts ...string) string {
	b, err := os.ReadFile(s.path(parts...))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// number reads a file that holds one; def = it does not.
func (s *System) number(def int64, parts ...string) int64 {
	v, err := strconv.ParseInt(s.text(parts...), 0, 64)
	if err != nil {
		return def
	}
	return v
}

func (s *System) exists(parts ...string) bool {
	_, err := os.Stat(s.path(parts...))
	return err == nil
}

// names lists a folder.
func (s *System) names(parts ...string) []string {
	list, err := os.ReadDir(s.path(parts...))
	if err != nil {
		return nil
	}
	all := make([]string, len(list))
	for i, e := range list {
		all[i] = e.Name()
	}
	return all
}

// link returns the last part of where a symbolic link points to.
func (s *System) link(parts ...string) string {
	to, err := os.Readlink(s.path(parts...))
	if err != nil {
		return ""
	}
	return filepath.Base(to)
}

// numbered lists the numbers of the entries of a folder that begin with a word, such as cpu0 and cpu1, in order.
func (s *System) numbered(word string, parts ...string) []int {
	var all []int
	for _, name := range s.names(parts...) {
		if rest, ok := strings.CutPrefix(name, word); ok {
			if n, err := strconv.Atoi(rest); err == nil && n >= 0 {
				all = append(all, n)
			}
		}
	}
	sort.Ints(all)
	return all
}

// maxNumber bounds the numbers of processors.
const maxNumber = 1 << 16

// ParseList reads a list of numbers as the kernel writes it, such as 0-3,8. What is wrong is left out.
func ParseList(text string) []int {
	var all []int
	for _, part := range strings.Split(strings.TrimSpace(text), ",") {
		low, high, err := cpulist.Range(part)
		if err != nil || high >= maxNumber {
			continue
		}
		for n := low; n <= high; n++ {
			all = append(all, n)
		}
	}
	return all
}
