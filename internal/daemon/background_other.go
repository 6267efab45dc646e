//go:build !unix

package daemon

import (
	"errors"
	"os"
	"syscall"
)

// CanBackground says whether a process can go into the background here.
const CanBackground = false

func newSession() *syscall.SysProcAttr { return nil }

func keepFromChildren(int) {}

func silence(*os.File) error { return nil }

// Umask does nothing here.
func Umask(int) {}

// CoreLimit is not there on this system.
func CoreLimit(int64) error { return errors.ErrUnsupported }
