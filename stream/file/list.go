package file

// List holds the files of one direction of a transaction, in the order they began.
type List struct {
	files []*File
	// Past is how many files at the front output is done with. It is output's to set.
	Past int
}

// Add appends a file.
func (l *List) Add(f *File) { l.files = append(l.files, f) }

// Len is the number of files.
func (l *List) Len() int { return len(l.files) }

// At returns file i.
func (l *List) At(i int) *File { return l.files[i] }

// Last returns the newest file, or nil.
func (l *List) Last() *File {
	if len(l.files) == 0 {
		return nil
	}
	return l.files[len(l.files)-1]
}

// Clear empties the list and hands each file to free, which may be nil.
func (l *List) Clear(free func(*File)) {
	for i, f := range l.files {
		if free != nil {
			free(f)
		}
		l.files[i] = nil
	}
	l.files, l.Past = l.files[:0], 0
}
