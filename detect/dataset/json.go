package dataset

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Format is how a set's file is written.
type Format uint8

// The formats.
const (
	CSV    Format = iota // a value a line
	JSON                 // one array of objects, which may lie inside of other objects
	NDJSON               // an object a line
)

// FormatByName returns the format that a rule names.
func FormatByName(name string) (Format, bool) {
	f, ok := map[string]Format{"csv": CSV, "json": JSON, "ndjson": NDJSON}[name]
	return f, ok
}

const (
	// MaxContext is how long the JSON of a value may be to go into alerts, in bytes. Longer ones are left out; their values count.
	MaxContext = 1024
	// MaxKey is the greatest length of a key, in bytes.
	MaxKey = 31
	// maxFile bounds files that are one JSON value.
	maxFile = 1 << 30
	// maxDepth bounds how deep the path to a value goes.
	maxDepth = 16
)

// readJSON fills the set from a file of JSON: each object is kept with the value at the path ValueKey in it. Objects without one are
// passed over, but one at least must have it.
func (s *Set) readJSON(r io.Reader, x *Spec) error {
	found := false
	if x.Format == NDJSON {
		sc := bufio.NewScanner(r)
		sc.Buffer(make([]byte, 0, 4096), maxLine)
		n := 0
		for sc.Scan() {
			n++
			line := bytes.TrimSpace(sc.Bytes())
			if len(line) == 0 {
				continue
			}
			if err := s.element(line, x, &found); err != nil {
				return fmt.Errorf("%s:%d: dataset: %w", x.Load, n, err)
			}
		}
		if err := sc.Err(); err != nil {
			return fmt.Errorf("%s:%d: dataset: %w", x.Load, n+1, err)
		}
	} else {
		text, err := io.ReadAll(io.LimitReader(r, maxFile+1))
		if err != nil {
			return err
		}
		if len(text) > maxFile {
			return fmt.Errorf("%s: dataset: the file is longer than %d bytes: the format ndjson has no such limit", x.Load, maxFile)
		}
		list, err := array(text, x.ArrayKey)
		if err != nil {
			return fmt.Errorf("%s: dataset: %w", x.Load, err)
		}
		for i, e := range list {
			if err := s.element(e, x, &found); err != nil {
				return fmt.Errorf("%s: dataset: element %d: %w", x.Load, i, err)
			}
		}
	}
	if !found {
		return fmt.Errorf("No valid entries for key '%s' found in the file '%s'", x.ValueKey, x.Load)
	}
	return nil
}

// array returns the elements of the array at a path of keys; "" is the whole text.
func array(text []byte, path string) ([]json.RawMessage, error) {
	if !utf8.Valid(text) {
		return nil, errors.New("can't load JSON: it is not UTF-8")
	}
	if !json.Valid(text) {
		var v json.RawMessage
		return nil, fmt.Errorf("can't load JSON: %w", at(text, json.Unmarshal(text, &v)))
	}
	if path != "" {
		sub, ok := member(text, path)
		if !ok {
			return nil, fmt.Errorf("failed to get key '%s'", path)
		}
		text = sub
	}
	var list []json.RawMessage
	if err := json.Unmarshal(text, &list); err != nil || list == nil {
		return nil, errors.New("not an array: name where it lies by array_key")
	}
	return list, nil
}

// at adds to a syntax error in which line it is.
func at(text []byte, err error) error {
	var e *json.SyntaxError
	if errors.As(err, &e) && e.Offset >= 0 && e.Offset <= int64(len(text)) {
		return fmt.Errorf("error on line %d: %w", 1+bytes.Count(text[:e.Offset], []byte("\n")), err)
	}
	return err
}

// member returns what lies at a path of keys, such as "response.threats". Of equal keys the last one counts.
func member(text []byte, path string) (json.RawMessage, bool) {
	keys := strings.Split(path, ".")
	if len(keys) > maxDepth {
		return nil, false
	}
	for _, k := range keys {
		var m map[string]json.RawMessage
		if json.Unmarshal(text, &m) != nil {
			return nil, false
		}
		v, ok := m[k]
		if !ok {
			return nil, false
		}
		text = v
	}
	return text, true
}

// element adds one object.
func (s *Set) element(text []byte, x *Spec, found *bool) error {
	if !utf8.Valid(text) || !json.Valid(text) {
		var v json.RawMessage
		if err := json.Unmarshal(text, &v); err != nil {
			return fmt.Errorf("Invalid json: %w", err)
		}
		return errors.New("Invalid json: it is not UTF-8")
	}
	raw, ok := member(text, x.ValueKey)
	if !ok {
		return nil
	}
	*found = true
	var value string
	if len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &value) != nil {
		return fmt.Errorf("%s failed to get value because it is not a string", s.Name)
	}
	var v []byte
	if s.Type == String {
		v = []byte(value)
	} else {
		var why string
		if v, why = s.Type.parse(value); why != "" {
			return fmt.Errorf("%s '%s' of %s", why, value, s.Name)
		}
	}
	if x.RemoveKey {
		text = without(text, x.ValueKey)
	}
	var out bytes.Buffer
	if err := json.Compact(&out, text); err != nil {
		return fmt.Errorf("Invalid json: %w", err)
	}
	c := content{json: out.Bytes()}
	if out.Len() > MaxContext {
		c.json = nil
	}
	if s.add(v, c) == full {
		return errors.New("dataset too large for set memcap")
	}
	return nil
}

// without returns an object without a member, in the order it was.
func without(text []byte, key string) []byte {
	d := json.NewDecoder(bytes.NewReader(text))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return text
	}
	out := []byte{'{'}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return text
		}
		var v json.RawMessage
		if d.Decode(&v) != nil {
			return text
		}
		if name == key {
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		quoted, err := json.Marshal(name)
		if err != nil {
			return text
		}
		out = append(append(append(out, quoted...), ':'), v...)
	}
	return append(out, '}')
}

// AddJSON adds a value written as in files, with JSON for alerts.
func (s *Set) AddJSON(text, context string) Outcome {
	v, why := s.Type.parse(text)
	if why != "" || len(context) > MaxContext || !utf8.ValidString(context) || !json.Valid([]byte(context)) {
		return Failed
	}
	var out bytes.Buffer
	if json.Compact(&out, []byte(context)) != nil {
		return Failed
	}
	switch s.add(v, content{json: out.Bytes()}) {
	case added:
		return Done
	case present:
		return Already
	}
	return Failed
}

// Context reports whether the value is in the set, and the JSON that is kept with it, which must not be changed: nil is none.
func (s *Set) Context(v []byte) (context []byte, ok bool) {
	c, ok := s.get(v)
	return c.json, ok
}

// maxSubdomains is how many domains above a name are looked up.
const maxSubdomains = 126

// Domain is Context for a domain, or else for the first of the domains above it that is in the set: of ".mail.evil.com" that
// is ".evil.com", and then ".com".
func (s *Set) Domain(v []byte) (context []byte, ok bool) {
	if context, ok = s.Context(v); ok {
		return context, ok
	}
	for i, n := 1, 0; i < len(v) && n < maxSubdomains; i++ {
		if v[i] != '.' || v[i-1] == '.' {
			continue
		}
		n++
		if context, ok = s.Context(v[i:]); ok {
			return context, ok
		}
	}
	return nil, false
}
