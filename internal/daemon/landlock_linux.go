package daemon

import (
	"errors"
	"fmt"

	"github.com/landlock-lsm/go-landlock/landlock"
	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
)

// What a folder allows: to read, and to make, write and remove files and sockets.
const (
	landlockRead  = landlock.AccessFSSet(ll.AccessFSReadFile | ll.AccessFSReadDir)
	landlockWrite = landlock.AccessFSSet(ll.AccessFSWriteFile | ll.AccessFSTruncate | ll.AccessFSMakeReg | ll.AccessFSMakeDir |
		ll.AccessFSMakeSock | ll.AccessFSRemoveFile | ll.AccessFSRemoveDir | ll.AccessFSRefer)
	// landlockAll is what is forbidden elsewhere.
	landlockAll = landlockRead | landlockWrite | landlock.AccessFSSet(ll.AccessFSExecute|ll.AccessFSMakeChar|ll.AccessFSMakeFifo|
		ll.AccessFSMakeBlock|ll.AccessFSMakeSym)
)

// ErrNoLandlock says that the kernel has no Landlock.
var ErrNoLandlock = errors.New("the kernel has no Landlock: it is there from Linux 5.13 on, where lsm= names it at boot")

// Landlock confines all threads of the process: files are opened below the folders only, those of write for writing too, and no
// program is started. Files that are open already stay so. Folders that are not there are passed over. It cannot be undone.
func Landlock(read, write []string) error {
	version, err := ll.LandlockGetABIVersion()
	if err != nil || version < 1 {
		return ErrNoLandlock
	}
	cfg, err := landlock.NewConfig(landlockAll)
	if err != nil {
		return fmt.Errorf("landlock: %w", err)
	}
	var rules []landlock.Rule
	if len(read) > 0 {
		rules = append(rules, landlock.PathAccess(landlockRead, read...).IgnoreIfMissing())
	}
	if len(write) > 0 {
		rights := landlockRead | landlockWrite
		if version < 2 { // to rename between folders is always forbidden there
			rights &^= ll.AccessFSRefer
		}
		rules = append(rules, landlock.PathAccess(rights, write...).IgnoreIfMissing())
	}
	// Kernels before 6.2 do not know all rights; what they know is enough to be worth it.
	if err := cfg.BestEffort().RestrictPaths(rules...); err != nil {
		return fmt.Errorf("landlock: %w", err)
	}
	return nil
}
