package smtp

import (
	"sentinel/stream/app"
)

// known reports whether a reply code is one that servers use.
func known(code int) bool {
	switch code {
	case 211, 214, 220, 221, 235, 250, 251, 252, 334, 354, 401, 402, 421, 435, 450, 451, 452, 454, 455, 500, 501, 502, 503, 504,
		511, 521, 522, 525, 530, 534, 535, 541, 543, 550, 551, 552, 553, 554, 555:
		return true
	}
	return false
}

// server reads replies.
func (p *parser) server(in *app.Input) (r app.Result) {
	for r.Consumed < len(in.Data) {
		at := in.Offset + uint64(r.Consumed)
		if f := p.begin(in, frameResponse, at); f != nil {
			if t := p.replied(); t != nil {
				f.SetTx(t.ID)
			}
		}
		l, ok := p.read(in.Data[r.Consumed:], app.ToClient)
		if !ok {
			r.Consumed += l.size
			return r
		}
		f := p.end(in, frameResponse, &l, at)
		if t := p.replied(); f != nil && f.Tx == 0 && t != nil {
			f.SetTx(t.ID)
		}
		if !p.reply(&l, &r) {
			r.Status = app.Failed
			return r
		}
		if l.cut {
			p.event(evTruncated)
		}
		r.Consumed += l.size
		if r.Next != 0 {
			return r
		}
	}
	return r
}

// replied returns the transaction of the command that the next reply answers.
func (p *parser) replied() *Tx {
	if p.answered >= len(p.pending) {
		return p.cur
	}
	return p.byID(p.pending[p.answered].tx)
}

// reply handles a line of a reply. It returns false for what is none.
func (p *parser) reply(l *line, r *app.Result) bool {
	b := l.text
	if len(b) == 0 && len(l.full) == 1 {
		return true
	}
	t := p.replied()
	if t != nil {
		t.Updated[app.ToClient] = true
	}
	if len(b) < 3 {
		p.event(evInvalidReply)
		return false
	}
	p.multiline = len(b) >= 4 && b[3] == '-'
	code := 0
	for _, c := range b[:3] {
		if c < '0' || c > '9' {
			code = 0
			break
		}
		code = code*10 + int(c-'0')
	}
	if !known(code) {
		p.event(evInvalidReply)
		return false
	}
	if p.answered == len(p.pending) {
		if !p.greeted {
			p.greeted = !p.multiline
			if code != 220 {
				p.event(evInvalidReply)
			}
		}
		return true
	}
	p.answer(p.pending[p.answered].cmd, code, t, r)
	if !p.multiline {
		p.answered++
	} else if p.greeted && code == 250 && len(b) == 14 && fold(b[4:], "pipelining") {
		p.pipelines = true
	}
	if p.answered == len(p.pending) {
		p.pending, p.answered = p.pending[:0], 0
	}
	r.Flags |= app.TriggerRaw
	return true
}

// answer acts on the reply to a command; t is the command's transaction, if it is alive.
func (p *parser) answer(c command, code int, t *Tx, r *app.Result) {
	switch c {
	case cmdSTARTTLS:
		if code != 220 {
			p.event(evTLSRejected)
			return
		}
		p.dataMode = true
		if p.config.tls == 0 {
			p.event(evFailedChange)
		}
		r.Next = p.config.tls
		if t != nil {
			t.finish()
		}
	case cmdDATA:
		if code == 354 {
			if t != nil {
				t.raise(app.ToClient, data)
			}
			p.dataMode = true
			return
		}
		if p.pipelines {
			p.dataMode = false
		}
		p.event(evDataRejected)
	case cmdBDAT:
		if t != nil {
			t.raise(app.ToClient, data)
		}
	case cmdLastChunk, cmdBody:
		if t != nil && !p.multiline {
			t.raise(app.ToClient, complete)
		}
	case cmdRSET:
		if code == 250 && t != nil && !p.multiline {
			t.finish()
		}
	case cmdQUIT:
		if code == 221 && t != nil && !p.multiline {
			t.finish()
		}
	}
}
