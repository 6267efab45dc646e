package keyword

import "sentinel/detect"

// unsupported lists keywords that are known and refused: a rule that needs them must not be read as one without.
func unsupported() []detect.Keyword {
	refuse := func(name, alias, doc, why string) detect.Keyword {
		return detect.Keyword{Name: name, Alias: alias, Doc: doc, Flags: detect.Negatable | detect.MaybeQuoted | detect.OptionalValue | detect.Refused, Setup: func(*detect.Builder, string) error {
			return problem(why)
		}}
	}
	return []detect.Keyword{
		refuse("lua", "luajit", "match via a lua script", "no Lua support built in, needed for lua keyword"),
		refuse("luaxform", "", "pass buffer contents through a lua script", "no Lua support built in, needed for luaxform keyword"),
	}
}
