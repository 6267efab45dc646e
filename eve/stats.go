package eve

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"sentinel/internal/conf"
	"sentinel/internal/counter"
	"sentinel/internal/jsonw"
)

// statsOptions are the switches of the stats type and of stats.log.
type statsOptions struct {
	totals, threads, deltas, zeros bool
}

type statsLogger struct {
	logger
	statsOptions
}

// tableLogger writes stats.log.
type tableLogger struct {
	lane int
	statsOptions
}

func newStatsOptions(n *conf.Node, zeros bool) (statsOptions, error) {
	s := statsOptions{totals: n.Get("totals").Bool(true), threads: n.Get("threads").IsTrue(), deltas: n.Get("deltas").IsTrue(),
		zeros: n.Get("null-values").Bool(zeros)}
	if !s.totals && n.Get("threads").IsFalse() {
		return s, errors.New("totals and threads cannot both be off")
	}
	return s, nil
}

func (o *Output) addStats(n *conf.Node, l logger) error {
	s, err := newStatsOptions(n, true)
	if err == nil {
		err = o.statsDue()
	}
	if err != nil {
		return err
	}
	o.stats = merge(o, o.stats, statsLogger{logger: l, statsOptions: s}, func(x *statsLogger) *logger { return &x.logger },
		func(a, b *statsLogger) bool { return a.statsOptions == b.statsOptions })
	return nil
}

func (o *Output) addTable(n *conf.Node) error {
	s, err := newStatsOptions(n, false)
	if err == nil {
		err = o.statsDue()
	}
	if err != nil {
		return err
	}
	i, err := o.addLane(n, "stats.log")
	if err != nil {
		return err
	}
	o.tables = append(o.tables, tableLogger{lane: i, statsOptions: s})
	return nil
}

// Stats writes the counters wherever they are wanted, at a time in nanoseconds.
func (o *Output) Stats(s *counter.Snapshot, now int64) {
	o.statsMu.Lock()
	defer o.statsMu.Unlock()
	if o.closed {
		return
	}
	w := o.control
	up := time.Since(o.started)
	for i := range o.stats {
		l := &o.stats[i]
		b := &w.b
		b.Reset()
		b.StartObject()
		b.Time("timestamp", now, w.clock)
		b.String("event_type", "stats")
		b.OpenObject("stats")
		b.Uint("uptime", uint64(up/time.Second))
		f := counter.Format{Deltas: l.deltas, NoZeros: !l.zeros, Group: o.group}
		if l.totals {
			s.Members(b, &s.Total, f)
		}
		if l.threads {
			b.OpenObject("threads")
			for k := range s.Threads {
				b.Key([]byte(s.Threads[k].Name))
				b.StartObject()
				s.Members(b, &s.Threads[k], f)
				b.Close()
			}
			b.Close()
		}
		b.Close()
		w.emit(&l.logger, TypeStats)
	}
	for i := range o.tables {
		w.table(&o.tables[i], s, now, up)
	}
	_ = w.Flush()
}

// group adds what stands at the beginning of a group of counters.
func (o *Output) group(name string, b *jsonw.Builder) {
	if name != "detect" || o.engines == nil {
		return
	}
	o.engines(b)
}

const rule = "---------------------------------------------------------------------------------------------------\n"

// table writes the counters for people to read.
func (w *Worker) table(l *tableLogger, s *counter.Snapshot, now int64, up time.Duration) {
	var t bytes.Buffer
	secs := int64(up / time.Second)
	t.WriteString(rule)
	fmt.Fprintf(&t, "Date: %s (uptime: %dd, %02dh %02dm %02ds)\n", time.Unix(now/1e9, 0).Format("1/2/2006 -- 15:04:05"),
		secs/86400, secs/3600%24, secs/60%60, secs%60)
	t.WriteString(rule)
	fmt.Fprintf(&t, "%-60s | %-25s | %-s\n", "Counter", "TM Name", "Value")
	t.WriteString(rule)
	rows := func(of *counter.Thread, format string) {
		for i, name := range s.Names {
			if of.Has[i] && (l.zeros || of.Values[i] != 0) {
				fmt.Fprintf(&t, format, name, of.Name, of.Values[i])
			}
		}
	}
	if l.totals {
		rows(&s.Total, "%-60s | %-25s | %d\n")
	}
	if l.threads {
		for i := range s.Threads {
			rows(&s.Threads[i], "%-45s | %-25s | %d\n")
		}
	}
	w.queue(l.lane, t.Bytes())
}
