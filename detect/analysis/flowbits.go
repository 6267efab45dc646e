package analysis

import (
	"slices"

	"sentinel/detect"
	"sentinel/internal/jsonw"
)

// bit is who deals with one flowbit.
type bit struct {
	id   uint32
	name string
	by   map[string][]uint32 // sids by command, in the order of rules
	in   map[string]int      // how many of these rules have conditions on transactions, by command
	asks []int               // places of the rules with isset in the list
}

// bitsOf gathers the flowbits of rules by their ids.
func bitsOf(list []*detect.Description) []*bit {
	byID := map[uint32]*bit{}
	var out []*bit
	for i, d := range list {
		for _, u := range d.Bits {
			for k, id := range u.IDs {
				b := byID[id]
				if b == nil {
					b = &bit{id: id, name: u.Names[k], by: map[string][]uint32{}, in: map[string]int{}}
					byID[id] = b
					out = append(out, b)
				}
				b.by[u.Cmd] = append(b.by[u.Cmd], d.Meta.SID)
				if len(d.Buffers) > 0 {
					b.in[u.Cmd]++
				}
				if u.Cmd == "isset" {
					b.asks = append(b.asks, i)
				}
			}
		}
	}
	slices.SortFunc(out, func(a, b *bit) int { return int(a.id) - int(b.id) })
	return out
}

// flowbitsJSON is flowbits.json; nil without flowbits.
func flowbitsJSON(list []*detect.Description) []byte {
	bits := bitsOf(list)
	if len(bits) == 0 {
		return nil
	}
	return object(func(w *jsonw.Builder) {
		w.OpenArray("flowbits")
		for _, b := range bits {
			w.StartObject()
			w.String("name", b.name)
			w.Uint("internal_id", uint64(b.id))
			for _, cmd := range [...]string{"set", "unset", "isset", "isnotset"} {
				w.Uint(cmd+"_cnt", uint64(len(b.by[cmd])))
			}
			for _, x := range [...][2]string{{"sets", "set"}, {"isset", "isset"}, {"isnotset", "isnotset"}, {"unset", "unset"}} {
				if l := b.by[x[1]]; len(l) > 0 {
					sids(w, x[0], l)
				}
			}
			w.Close()
		}
		w.Close()
	})
}

// dependency says that a rule without conditions on transactions waits for a bit that rules on transactions set.
type dependency struct {
	sids  []uint32
	names []string
}

// dependencies finds those of rules, by their places; nil = none.
func dependencies(list []detect.Description) []*dependency {
	read := make([]*detect.Description, len(list))
	place := make([]int, len(list))
	for i := range list {
		place[i] = i
	}
	slices.SortStableFunc(place, func(a, b int) int { return int(list[a].Loaded) - int(list[b].Loaded) })
	for i, p := range place {
		read[i] = &list[p]
	}
	out := make([]*dependency, len(list))
	for _, b := range bitsOf(read) {
		if len(b.asks) == 0 || b.in["isset"] > 0 || b.in["set"] == 0 {
			continue
		}
		for _, i := range b.asks {
			d := out[place[i]]
			if d == nil {
				d = &dependency{}
				out[place[i]] = d
			}
			d.sids = append(d.sids, b.by["set"]...)
			d.names = append(d.names, b.name)
		}
	}
	return out
}

func (d *dependency) write(w *jsonw.Builder) {
	if d == nil {
		return
	}
	w.OpenObject("dependencies")
	w.OpenObject("flowbits")
	w.OpenObject("upstream")
	w.OpenObject("state_modifying_rules")
	sids(w, "sids", d.sids)
	words(w, "names", d.names)
	for range 4 {
		w.Close()
	}
}
