//go:build unix

package daemon

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// GiveOpenFiles gives the regular files that this process has open for writing to the user it is about to become, so that they can
// be opened again. Files of others are left alone.
func GiveOpenFiles(id *Identity) error {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return nil // no /proc: nothing can be found out
	}
	var errs []error
	for _, e := range list {
		fd, err := strconv.Atoi(e.Name())
		if err != nil || fd < 3 {
			continue
		}
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
		var st unix.Stat_t
		if err != nil || flags&unix.O_ACCMODE == unix.O_RDONLY || unix.Fstat(fd, &st) != nil {
			continue
		}
		if st.Mode&unix.S_IFMT != unix.S_IFREG || int(st.Uid) != os.Geteuid() {
			continue
		}
		if err := unix.Fchown(fd, id.UID, id.GID); err != nil {
			name, _ := os.Readlink("/proc/self/fd/" + e.Name())
			errs = append(errs, fmt.Errorf("cannot give %s to the user %s: %w", name, id, err))
		}
	}
	return errors.Join(errs...)
}

// shared are folders of the system's that do not become a daemon's because one was told to write there.
var shared = []string{"/", "/var", "/var/log", "/var/lib", "/var/cache", "/var/run", "/run", "/tmp", "/var/tmp", "/etc", "/usr", "/home", "/root",
	"/opt", "/srv", "/dev", "/dev/shm"}

// GiveFolder makes sure that the user can make files in a folder: if not so, and the folder is this process's user's and none that
// others share, it is given to that user. A folder that is not there is passed over.
func GiveFolder(dir string, id *Identity) error {
	path, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	var st unix.Stat_t
	switch err := unix.Stat(path, &st); {
	case errors.Is(err, unix.ENOENT):
		return nil
	case err != nil:
		return fmt.Errorf("%s: %w", path, err)
	case st.Mode&unix.S_IFMT != unix.S_IFDIR || id.mayWrite(&st):
		return nil
	}
	if int(st.Uid) != os.Geteuid() || slices.Contains(shared, path) {
		return fmt.Errorf("the user %s cannot write to %s", id, path)
	}
	if err := unix.Chown(path, id.UID, id.GID); err != nil {
		return fmt.Errorf("cannot give %s to the user %s: %w", path, id, err)
	}
	return nil
}

// mayWrite reports whether the modes of a folder let the user make files in it.
func (id *Identity) mayWrite(st *unix.Stat_t) bool {
	bits := uint32(3) // write and search
	switch mode := uint32(st.Mode); {
	case id.UID == 0 || id.UID < 0 && os.Geteuid() == 0:
		return true
	case int(st.Uid) == id.UID:
		return mode>>6&bits == bits
	case int(st.Gid) == id.GID:
		return mode>>3&bits == bits
	default:
		return mode&bits == bits
	}
}
