package control

import (
	"bytes"
	"encoding/json"
	"math"
)

// Args are the arguments of a command as the client sent them: any types, any names.
type Args map[string]any

// Has reports whether an argument was given.
func (a Args) Has(name string) bool { _, ok := a[name]; return ok }

// Text returns an argument that is a string.
func (a Args) Text(name string) (string, bool) {
	s, ok := a[name].(string)
	return s, ok
}

// Int returns an argument that is a whole number. A number with a fraction or beyond 64 bits is none.
func (a Args) Int(name string) (int64, bool) {
	n, ok := a[name].(json.Number)
	if !ok {
		return 0, false
	}
	v, err := n.Int64()
	return v, err == nil
}

// Uint32 returns an argument that is a whole number of 32 bits. whole says that it is a whole number at least.
func (a Args) Uint32(name string) (v uint32, whole, ok bool) {
	n, whole := a.Int(name)
	return uint32(n), whole, whole && n >= 0 && n <= math.MaxUint32
}

// True reports whether an argument is the value true.
func (a Args) True(name string) bool { b, _ := a[name].(bool); return b }

// Reply is the answer to a command.
type Reply struct {
	Message any  // a text, a number, or what encoding/json can write; nil = none
	OK      bool // else "NOK"
}

// OK is the answer to a command that was carried out.
func OK(message any) Reply { return Reply{message, true} }

// NOK is the answer to a command that was not.
func NOK(message any) Reply { return Reply{message, false} }

// wire is a reply's form.
type wire struct {
	Message any    `json:"message,omitempty"`
	Return  string `json:"return"`
}

// encode returns a reply as it is sent, without the newline.
func (r Reply) encode() []byte {
	w := wire{r.Message, "NOK"}
	if r.OK {
		w.Return = "OK"
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(w); err != nil {
		return []byte(`{"message":"internal error at json object creation","return":"NOK"}`)
	}
	return bytes.TrimRight(b.Bytes(), "\n")
}
