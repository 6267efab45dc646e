// Package cpulist reads and writes lists of processors such as 0-3,8, as the kernel and configurations have them. Who reads a list
// decides what becomes of wrong elements.
package cpulist

import (
	"errors"
	"strconv"
	"strings"
)

// What may be wrong with an element.
var (
	ErrNumber = errors.New("not a number or a range of numbers")
	ErrOrder  = errors.New("the first number of the range is greater than its last")
)

// Range reads one element: a number, or two with a hyphen between them, with blanks around each. Numbers have 32 bits at most; it is the
// caller's to bound them further before counting from low to high.
func Range(element string) (low, high int, err error) {
	first, last, isRange := strings.Cut(element, "-")
	a, err := strconv.ParseUint(strings.TrimSpace(first), 10, 31)
	b := a
	if err == nil && isRange {
		b, err = strconv.ParseUint(strings.TrimSpace(last), 10, 31)
	}
	switch {
	case err != nil:
		return 0, 0, ErrNumber
	case a > b:
		return 0, 0, ErrOrder
	}
	return int(a), int(b), nil
}

// Format writes numbers as a list. Each run of numbers that follow one another becomes one range.
func Format(list []int) string {
	var b []byte
	for i := 0; i < len(list); {
		j := i
		for j+1 < len(list) && list[j+1] == list[j]+1 {
			j++
		}
		if len(b) > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, int64(list[i]), 10)
		if j > i {
			b = strconv.AppendInt(append(b, '-'), int64(list[j]), 10)
		}
		i = j + 1
	}
	return string(b)
}
