package etc

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// The unit is one that systemd takes, with a program in the place of ours that is there.
func TestUnit(t *testing.T) {
	tool, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skipf("needs systemd-analyze: %v", err)
	}
	text := strings.ReplaceAll(read(t, "systemd/sentinel.service"), "/usr/bin/sentinel", "/bin/true")
	if !strings.Contains(text, "ExecStart=/bin/true -c") {
		t.Fatal("the unit does not start /usr/bin/sentinel")
	}
	path := filepath.Join(t.TempDir(), "sentinel.service")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(tool, "verify", "--man=no", path).CombinedOutput()
	if err != nil || len(strings.TrimSpace(string(out))) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
}

// What the rotation signals is what the unit and the program listen to.
func TestLogrotate(t *testing.T) {
	text := read(t, "logrotate/sentinel")
	for _, want := range []string{"--signal=HUP", "kill -HUP", "nocreate", "/var/log/sentinel/"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s", want)
		}
	}
	tool, err := exec.LookPath("logrotate")
	if err != nil {
		t.Skipf("needs logrotate for the rest: %v", err)
	}
	dir := t.TempDir()
	conf := filepath.Join(dir, "conf")
	text = strings.ReplaceAll(strings.ReplaceAll(text, "/var/log/sentinel", dir), "su sentinel sentinel", "")
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(tool, "-d", "-s", filepath.Join(dir, "state"), conf).CombinedOutput(); err != nil || strings.Contains(string(out), "error:") {
		t.Errorf("%v\n%s", err, out)
	}
}

// What the image copies is there.
func TestDockerfile(t *testing.T) {
	found := 0
	for _, m := range regexp.MustCompile(`(?m)^COPY ([^-].*)$`).FindAllStringSubmatch(read(t, "container/Dockerfile"), -1) {
		words := strings.Fields(m[1])
		for _, f := range words[:len(words)-1] {
			found++
			if _, err := os.Stat(filepath.Join("..", f)); err != nil {
				t.Error(err)
			}
		}
	}
	if found < 5 {
		t.Errorf("only %d files are copied", found)
	}
}

// The manifest is a DaemonSet on the node's own network whose label selects its pods, and each mount has its volume.
func TestKubernetes(t *testing.T) {
	var m struct {
		Kind string
		Spec struct {
			Selector struct {
				MatchLabels map[string]string `yaml:"matchLabels"`
			}
			Template struct {
				Metadata struct{ Labels map[string]string }
				Spec     struct {
					HostNetwork bool `yaml:"hostNetwork"`
					Containers  []struct {
						SecurityContext struct {
							Capabilities struct{ Add, Drop []string }
						} `yaml:"securityContext"`
						VolumeMounts []struct{ Name string } `yaml:"volumeMounts"`
					}
					Volumes []struct{ Name string }
				}
			}
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, "kubernetes/daemonset.yaml")), &m); err != nil {
		t.Fatal(err)
	}
	pod := m.Spec.Template.Spec
	if m.Kind != "DaemonSet" || !pod.HostNetwork || len(pod.Containers) != 1 {
		t.Fatalf("%+v", m)
	}
	for k, v := range m.Spec.Selector.MatchLabels {
		if m.Spec.Template.Metadata.Labels[k] != v {
			t.Errorf("pods have no label %s: %s", k, v)
		}
	}
	c := pod.Containers[0]
	if !slices.Equal(c.SecurityContext.Capabilities.Drop, []string{"ALL"}) || !slices.Contains(c.SecurityContext.Capabilities.Add, "NET_RAW") {
		t.Errorf("%+v", c.SecurityContext)
	}
	for _, v := range c.VolumeMounts {
		if !slices.ContainsFunc(pod.Volumes, func(x struct{ Name string }) bool { return x.Name == v.Name }) {
			t.Errorf("no volume %s", v.Name)
		}
	}
}
