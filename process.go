package sentinel

import "slices"

// RuleFiles lists the files that a load or reload reads rules from, those of tenants and their configurations too, as the configuration and the options say now.
func (e *Engine) RuleFiles() []string {
	files := e.opt.RuleFiles
	if files == nil {
		files, _ = ruleFiles(e.tree.Root())
	}
	files = append(slices.Clone(files), e.opt.MoreRuleFiles...)
	if e.tenants != nil {
		for _, t := range e.tenants.list() {
			own, _ := t.ruleFiles()
			files = append(append(files, t.path), own...)
		}
	}
	return files
}

// StateDirs lists the folders in which the engine keeps what outlives it: compiled rules and datasets.
func (e *Engine) StateDirs() []string {
	list := []string{e.dataDir()}
	if d := e.cacheDir(); d != "" && d != list[0] {
		list = append(list, d)
	}
	return list
}
