package sentinel

import (
	"slices"

	"sentinel/capture"
	"sentinel/internal/conf"
)

// Targets lists what a selection captures from, as Open will open it, for those who look before a start.
func Targets(root *conf.Node, s Selection) ([]capture.Target, error) {
	_, list, err := s.targets(root)
	return slices.Clone(list), err
}
