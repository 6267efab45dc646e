package tls

import "sentinel/stream/app"

func matches() []app.Match { return nil }
