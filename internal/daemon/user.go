package daemon

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
)

// An Identity is what a process is to run as. A negative id stays as it is.
type Identity struct {
	User     string // its name, or its number where it has none
	UID, GID int
	Groups   []int // supplementary ones
	Home     string
}

// Resolve looks a user and a group up, each by name or number. Either can be empty; the group of a user is the user's own then. A
// number that has no entry is taken with a group only.
func Resolve(name, group string) (*Identity, error) {
	id := &Identity{User: name, UID: -1, GID: -1}
	if name != "" {
		u, err := user.Lookup(name)
		if err != nil {
			if n, nerr := strconv.ParseUint(name, 10, 31); nerr == nil {
				if u, err = user.LookupId(name); err != nil && group != "" {
					u, err = &user.User{Uid: strconv.Itoa(int(n)), Gid: "-1"}, nil
				}
			}
		}
		if err != nil {
			return nil, fmt.Errorf("there is no user %s: make it, or name another one", name)
		}
		if id.UID, err = strconv.Atoi(u.Uid); err != nil {
			return nil, fmt.Errorf("user %s: %w", name, err)
		}
		if id.GID, err = strconv.Atoi(u.Gid); err != nil {
			return nil, fmt.Errorf("user %s: %w", name, err)
		}
		id.Home = u.HomeDir
		if u.Username != "" {
			id.User = u.Username
		}
	}
	if group != "" {
		g, err := user.LookupGroup(group)
		switch n, nerr := strconv.ParseUint(group, 10, 31); {
		case err == nil:
			id.GID, err = strconv.Atoi(g.Gid)
		case nerr == nil:
			id.GID, err = int(n), nil
		}
		if err != nil {
			return nil, fmt.Errorf("there is no group %s: make it, or name another one", group)
		}
	}
	if id.GID >= 0 {
		id.Groups = []int{id.GID}
	}
	return id, nil
}

// String names the user and the group.
func (id *Identity) String() string {
	switch {
	case id.UID < 0:
		return fmt.Sprintf("with group %d", id.GID)
	case id.GID < 0:
		return id.User
	}
	return fmt.Sprintf("%s, group %d", id.User, id.GID)
}

// Current reports whether the process runs as this already.
func (id *Identity) Current() bool {
	return (id.UID < 0 || id.UID == os.Geteuid()) && (id.GID < 0 || id.GID == os.Getegid())
}
