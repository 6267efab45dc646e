package sentinel

import "slices"

// RuleFiles lists the files that a load or reload reads rules from, as the configuration and the options say now.
func (e *Engine) RuleFiles() []string {
	files := e.opt.RuleFiles
	if files == nil {
		files, _ = ruleFiles(e.tree.Root())
	}
	return append(slices.Clone(files), e.opt.MoreRuleFiles...)
}

// StateDirs lists the folders in which the engine keeps what outlives it: compiled rules and datasets.
func (e *Engine) StateDirs() []string {
	list := []string{e.dataDir()}
	if d := e.cacheDir(); d != "" && d != list[0] {
		list = append(list, d)
	}
	return list
}
