package sentinel

import (
	"sentinel/detect/magic"
	"sentinel/stream/file"
)

// identifier names kinds of files for one worker. The database is loaded when somebody first wants to know: it is large.
type identifier struct {
	e   *Engine
	lib *magic.Library
	err error
}

// want loads the database if files are to be named.
func (i *identifier) want(f file.Flags) {
	if f&file.WantMagic == 0 || i.lib != nil || i.err != nil {
		return
	}
	path := i.e.tree.Root().Get("magic-file").Str("")
	if i.lib, i.err = magic.Open(path); i.err != nil {
		i.e.log.Error().Err(i.err).Msg("kinds of files stay unknown")
	}
}

func (i *identifier) text(b []byte) string {
	if i.lib == nil {
		return ""
	}
	return i.lib.Text(b)
}

func (i *identifier) close() {
	if i.lib != nil {
		i.lib.Close()
		i.lib = nil
	}
}
