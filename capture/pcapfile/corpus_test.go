package pcapfile_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"sentinel/capture/pcapfile"
)

// The public captures that lie beside the project give as many frames and bytes as capinfos counts.
func TestCorpus(t *testing.T) {
	if testing.Short() {
		t.Skip("short: reads 2,000 files")
	}
	capinfos, err := exec.LookPath("capinfos")
	if err != nil {
		t.Skip("capinfos (wireshark-common) is not installed")
	}
	var files []string
	for _, root := range []string{"../../../shared/traces", "../../../shared/conformance", "../../qa/pcaps"} {
		filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() && strings.Contains(filepath.Ext(path), ".pcap") {
				files = append(files, path)
			}
			return nil
		})
	}
	if len(files) == 0 {
		t.Skip("no captures beside the project (../shared)")
	}
	compared := 0
	for len(files) > 0 {
		some := files[:min(200, len(files))]
		files = files[len(some):]
		// One line a file: name, packets, data bytes. Files that it cannot read are missing, those cut short are not.
		out, _ := exec.Command(capinfos, append([]string{"-T", "-r", "-M", "-c", "-d"}, some...)...).Output()
		for line := range strings.Lines(string(out)) {
			col := strings.Split(strings.TrimSpace(line), "\t")
			if len(col) < 3 {
				continue
			}
			packets, err1 := strconv.Atoi(col[1])
			size, err2 := strconv.Atoi(col[2])
			if err1 != nil || err2 != nil {
				continue
			}
			compared++
			compare(t, col[0], packets, size)
		}
	}
	t.Logf("%d files", compared)
	if compared == 0 {
		t.Error("capinfos understood no file")
	}
}

func compare(t *testing.T, path string, packets, size int) {
	s, err := pcapfile.Open(path, pcapfile.Options{})
	if err != nil {
		t.Errorf("capinfos counts %d packets: %v", packets, err)
		return
	}
	defer s.Close()
	got, err := drain(t, s)
	bytes := 0
	for _, f := range got {
		bytes += int(f.WireLen)
	}
	if len(got) != packets || bytes != size {
		t.Errorf("%s: %d packets, %d bytes; capinfos counts %d and %d (%v)", path, len(got), bytes, packets, size, err)
	}
	info, err2 := os.Stat(path)
	if err2 != nil {
		t.Fatal(err2)
	}
	if done, total := s.Progress(); err == nil && (done != info.Size() || total != done) {
		t.Errorf("%s: at %d of %d bytes, the file has %d", path, done, total, info.Size())
	}
}
