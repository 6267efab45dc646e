package eve_test

import (
	"testing"
	"time"
)

// zone sets the local time zone for a test: expectations are in UTC.
func zone(t *testing.T, z *time.Location) {
	old := time.Local
	time.Local = z
	t.Cleanup(func() { time.Local = old })
}
