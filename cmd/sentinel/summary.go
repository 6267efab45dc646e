package main

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"sentinel"
	"sentinel/internal/conf"
)

// maxSignatures is how many signatures the summary lists.
const maxSignatures = 20

// printSummary tells people what a run has seen.
func printSummary(w io.Writer, s sentinel.Summary, root *conf.Node) error {
	b := &strings.Builder{}
	fmt.Fprintf(b, "\n%s packets, %s in %s (%s packets/s)\n", grouped(s.Packets), size(s.Bytes), brief(s.Took), grouped(uint64(s.PacketRate())))
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	row := func(name, value string) { fmt.Fprintf(t, "  %s\t%s\n", name, value) }
	if s.Span > 0 {
		row("time in the capture", brief(s.Span))
	}
	if s.Lost > 0 {
		row("packets lost", grouped(s.Lost))
	}
	row("flows", shares(s.Flows))
	row("protocols", shares(s.Apps))
	if s.Blocked > 0 {
		row("packets dropped", grouped(s.Blocked))
	}
	row("alerts", grouped(s.Alerts))
	if err := t.Flush(); err != nil {
		return err
	}
	t = tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	for i, r := range s.Rules {
		if i == maxSignatures {
			fmt.Fprintf(t, "\t\t  and %d more signatures\n", len(s.Rules)-i)
			break
		}
		fmt.Fprintf(t, "    %s\t%d\t  %s\n", grouped(r.Count), r.SID, r.Msg)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if path := eventFile(root, s.LogDir); path != "" {
		fmt.Fprintf(b, "\nEvents: %s\n", path)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// eventFile is where the first EVE output to a file writes, or "".
func eventFile(root *conf.Node, dir string) string {
	for name, n := range root.Get("outputs").Entries() {
		if name != "eve-log" || n.Get("enabled").IsFalse() || n.Get("filetype").Str("regular") != "regular" {
			continue
		}
		path := n.Get("filename").Str("eve.json")
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		return path
	}
	return ""
}

func shares(list []sentinel.Share) string {
	if len(list) == 0 {
		return "none"
	}
	var out []string
	for _, s := range list {
		out = append(out, s.Name+" "+grouped(s.Count))
	}
	return strings.Join(out, ", ")
}

// grouped writes a number in groups of three digits: 1,234,567.
func grouped(n uint64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// size writes a number of bytes.
func size(n uint64) string {
	f := float64(n)
	for _, unit := range []string{"bytes", "KiB", "MiB", "GiB"} {
		if f < 1024 {
			if unit == "bytes" {
				return fmt.Sprintf("%d bytes", n)
			}
			return fmt.Sprintf("%.1f %s", f, unit)
		}
		f /= 1024
	}
	return fmt.Sprintf("%.1f TiB", f)
}

// brief writes a duration with three digits that count.
func brief(d time.Duration) string {
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(10 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}
