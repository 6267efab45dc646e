package dataset

import (
	"errors"
	"fmt"
	"sync"
)

// Config is what sets are made with unless rules say otherwise.
type Config struct {
	Memcap        uint64 // bytes; 0 = a generous bound
	HashSize      uint64 // 0 = 4096
	DenyWrite     bool   // rules may not save
	AllowAbsolute bool   // rules may save to any path
	DataDir       string // where rules save to
}

// Sets is all sets by name. It outlives reloads.
type Sets struct {
	Config
	mu     sync.Mutex
	byName map[string]*Set
	failed map[string]bool
}

// New returns no sets.
func New(c Config) *Sets {
	if c.HashSize == 0 {
		c.HashSize = 4096
	}
	return &Sets{Config: c, byName: map[string]*Set{}, failed: map[string]bool{}}
}

// Spec describes a set.
type Spec struct {
	Name             string
	Type             Type // NoType: a set that is there already
	Load, Save       string
	Memcap, HashSize uint64 // 0 = the default
	Reps             bool   // values have numbers
	// Of sets whose file is JSON: where each object has its value, where the array of objects lies (JSON only; "" = the whole file), and
	// whether the value is left out of what alerts show.
	Format             Format
	ValueKey, ArrayKey string
	RemoveKey          bool
}

// MaxName is the greatest length of a name in bytes.
const MaxName = 63

// Get returns the set of a name, made and filled if it is new.
func (s *Sets) Get(x Spec) (*Set, error) {
	if x.Name == "" || len(x.Name) > MaxName {
		return nil, fmt.Errorf("set name '%s' too long, max %d chars", x.Name, MaxName)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.byName[x.Name]; old != nil {
		switch {
		case x.Type != NoType && x.Type != old.Type:
			return nil, fmt.Errorf("dataset %s already exists and is of another type", x.Name)
		case x.Save != "" && x.Save != old.save:
			return nil, fmt.Errorf("dataset %s save mismatch: %s != %s", x.Name, old.save, x.Save)
		case x.Load != "" && x.Load != old.load:
			return nil, fmt.Errorf("dataset %s load mismatch: %s != %s", x.Name, old.load, x.Load)
		case x.Format != CSV && x.RemoveKey != old.removeKey:
			return nil, fmt.Errorf("dataset %s remove_key mismatch: all rules with the set must have it, or none", x.Name)
		case x.Format != CSV && old.format != x.Format:
			return nil, fmt.Errorf("dataset %s already exists and is of another format", x.Name)
		}
		return old, nil
	}
	switch {
	case s.failed[x.Name]:
		return nil, fmt.Errorf("failed to set up dataset '%s'.", x.Name)
	case x.Type == NoType:
		return nil, fmt.Errorf("dataset %s not defined", x.Name)
	}
	if x.Memcap == 0 {
		x.Memcap = s.Memcap
	}
	if x.HashSize == 0 {
		x.HashSize = s.HashSize
	}
	set := newSet(x.Name, x.Type, x.Load, x.Save, x.Memcap, x.HashSize)
	set.format, set.removeKey = x.Format, x.RemoveKey
	if err := set.fill(&x); err != nil {
		s.failed[x.Name] = true
		return nil, err
	}
	s.byName[x.Name] = set
	return set, nil
}

// Forget lets sets that could not be filled be tried again, at a reload.
func (s *Sets) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.failed)
}

// Save writes the files of all sets.
func (s *Sets) Save() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, set := range s.byName {
		errs = append(errs, set.Save())
	}
	return errors.Join(errs...)
}
