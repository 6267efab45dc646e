//go:build !unix

package sink

import "errors"

func openSyslog(Config) (Sink, error) {
	return nil, errors.New("there is no syslog on this system")
}
