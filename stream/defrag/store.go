package defrag

// pageSize is the granule of data. Small, because one byte of a fragment takes a page.
const pageSize = 1024

// pagesAtOnce is how many pages are taken from Go's heap together.
const pagesAtOnce = 64

// piece is a range of a datagram whose bytes are there, and the fragment that they came from.
type piece struct {
	start, end uint32 // end excluded
	from, to   uint32 // the fragment's own range
	next       uint32
}

// pieceSize and pageCost are what a piece and a page count against the memcap.
const (
	pieceSize = 20
	pageCost  = pageSize + 8
)

// page says which part of its datagram a page holds.
type page struct {
	next uint32
	no   uint32
}

// store holds the pieces and pages of all datagrams.
type store struct {
	pieces    []piece
	freePiece uint32
	maxPieces int
	inUse     int // pieces

	slabs    [][]byte
	pages    []page
	freePage uint32

	used, memcap int // bytes
}

// newPiece returns a piece, or none when there are too many.
func (s *store) newPiece(v piece) uint32 {
	i := s.freePiece
	if i != none {
		s.freePiece = s.pieces[i].next
	} else {
		if len(s.pieces) >= s.maxPieces || s.used+pieceSize > s.memcap {
			return none
		}
		s.used += pieceSize
		s.pieces = append(s.pieces, piece{})
		i = uint32(len(s.pieces) - 1)
	}
	s.pieces[i] = v
	s.inUse++
	return i
}

func (s *store) freeOne(i uint32) {
	s.pieces[i].next = s.freePiece
	s.freePiece = i
	s.inUse--
}

func (s *store) freePieces(i uint32) {
	for i != none {
		next := s.pieces[i].next
		s.freeOne(i)
		i = next
	}
}

// newPage returns a page, or none when memory is used up.
func (s *store) newPage() uint32 {
	if s.freePage == none {
		n := min(pagesAtOnce, (s.memcap-s.used)/pageCost)
		if n <= 0 {
			return none
		}
		s.used += n * pageCost
		// A short slab is the last one: page numbers stay slab number and place in it.
		s.slabs = append(s.slabs, make([]byte, n*pageSize))
		at := uint32(len(s.slabs)-1) * pagesAtOnce
		for len(s.pages) < int(at)+n {
			s.pages = append(s.pages, page{})
		}
		for i := int(at) + n - 1; i >= int(at); i-- {
			s.pages[i].next = s.freePage
			s.freePage = uint32(i)
		}
	}
	i := s.freePage
	s.freePage = s.pages[i].next
	s.pages[i] = page{next: none}
	return i
}

func (s *store) freePages(i uint32) {
	for i != none {
		next := s.pages[i].next
		s.pages[i].next = s.freePage
		s.freePage = i
		i = next
	}
}

// bytes returns a page's memory.
func (s *store) bytes(i uint32) []byte {
	at := i % pagesAtOnce * pageSize
	return s.slabs[i/pagesAtOnce][at : at+pageSize : at+pageSize]
}
