package main

import "golang.org/x/sys/unix"

// writable says why files cannot be made in a folder.
func writable(dir string) error { return unix.Access(dir, unix.W_OK|unix.X_OK) }

// space says how many bytes and files a file system has room for.
func space(dir string) (bytes, files uint64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, 0, err
	}
	if files = st.Ffree; st.Files == 0 {
		files = 1 // it does not count them
	}
	return st.Bavail * uint64(st.Bsize), files, nil
}
