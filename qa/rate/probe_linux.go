package main

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"slices"
	"sync/atomic"
	"time"
)

// latency is what a probe has found, of round trips.
type latency struct {
	Sent, Lost       int
	Median, P99, Max time.Duration
}

// echo answers datagrams until it is killed.
func echo(args []string) error {
	c, err := net.ListenPacket("udp4", args[0])
	if err != nil {
		return err
	}
	b := make([]byte, 2048)
	for {
		n, from, err := c.ReadFrom(b)
		if err != nil {
			return err
		}
		_, _ = c.WriteTo(b[:n], from)
	}
}

// probe sends a datagram every so often, whether the last one has been answered or not, and tells how long answers take.
func probe(args []string) error {
	f := flag.NewFlagSet("probe", flag.ContinueOnError)
	to := f.String("to", "", "address of an echo")
	count := f.Int("n", 1000, "datagrams")
	every := f.Duration("every", time.Millisecond, "time between two")
	wait := f.Duration("wait", 0, "only wait until there is an answer")
	if err := f.Parse(args); err != nil {
		return err
	}
	conn, err := net.Dial("udp4", *to)
	if err != nil {
		return err
	}
	c := conn.(*net.UDPConn)
	if *wait > 0 {
		return answered(c, *wait)
	}
	sent, took := make([]atomic.Int64, *count), make([]time.Duration, *count)
	begun := time.Now()
	var got atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 64)
		for {
			n, err := c.Read(b)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				return
			}
			if err != nil {
				continue // nobody listens yet
			}
			now := int64(time.Since(begun))
			if i := binary.BigEndian.Uint64(b); n >= 8 && i < uint64(*count) && took[i] == 0 {
				took[i] = time.Duration(now - sent[i].Load())
				if got.Add(1) == int64(*count) {
					return
				}
			}
		}
	}()
	b := make([]byte, 64)
	for i := range *count {
		time.Sleep(time.Duration(i)**every - time.Since(begun))
		binary.BigEndian.PutUint64(b, uint64(i))
		sent[i].Store(int64(time.Since(begun)))
		if _, err := c.Write(b); err != nil {
			return err
		}
	}
	if err := c.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	<-done
	all := slices.DeleteFunc(took, func(d time.Duration) bool { return d == 0 })
	slices.Sort(all)
	l := latency{Sent: *count, Lost: *count - len(all)}
	if n := len(all); n > 0 {
		l.Median, l.P99, l.Max = all[n/2], all[n*99/100], all[n-1]
	}
	return json.NewEncoder(os.Stdout).Encode(l)
}

// answered waits until an echo answers.
func answered(c *net.UDPConn, wait time.Duration) error {
	b := make([]byte, 64)
	for end := time.Now().Add(wait); time.Now().Before(end); {
		_, _ = c.Write(b)
		_ = c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		if _, err := c.Read(b); err == nil {
			time.Sleep(100 * time.Millisecond)
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return fmt.Errorf("nothing comes through in %v", wait)
}
