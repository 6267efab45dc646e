//go:build !linux

package growth

import "time"

// spent runs work and returns how long it took.
func spent(work func()) time.Duration { return elapsed(work) }
