// Package oxkeeper runs ZooKeeper servers for tests: a process that serves within milliseconds and ends with the test.
//
// The binary is the one that OXKEEPER names, or the one in PATH.
package oxkeeper

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sort"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Options of a server; the zero value will do.
type Options struct {
	// Port is the client port, instead of a free one. Not of an ensemble.
	Port int
	// DataDir is where the data is, instead of a directory that goes with the server. Not of an ensemble.
	DataDir string
	// Settings are those of zoo.cfg.
	Settings map[string]string
}

// process is `oxkeeper testing`: a line of JSON for each line that it is told. It ends when its standard input does.
type process struct {
	mutex   sync.Mutex
	command *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
	place   answer
}

type answer struct {
	Error         string   `json:"error"`
	ConnectString string   `json:"connectString"`
	Members       []string `json:"members"`
	DataDir       string   `json:"dataDir"`
	Mode          *string  `json:"mode"`
	Leader        *int     `json:"leader"`
}

func run(arguments []string, settings map[string]string) (*process, error) {
	binary := os.Getenv("OXKEEPER")
	if binary == "" {
		binary = "oxkeeper"
	}
	keys := make([]string, 0, len(settings))
	for key := range settings {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	for _, key := range keys {
		arguments = append(arguments, "-D"+key+"="+settings[key])
	}
	command := exec.Command(binary, append([]string{"testing"}, arguments...)...)
	command.Stderr = os.Stderr
	in, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("cannot run oxkeeper (OXKEEPER may name it): %w", err)
	}
	p := &process{command: command, in: in, out: bufio.NewReader(out)}
	if p.place, err = p.read(); err != nil {
		_ = p.Close()
		return nil, err
	}
	return p, nil
}

func (p *process) read() (answer, error) {
	var a answer
	line, err := p.out.ReadString('\n')
	if err != nil {
		return a, fmt.Errorf("oxkeeper has ended: %w", err)
	}
	if err := json.Unmarshal([]byte(line), &a); err != nil {
		return a, err
	}
	if a.Error != "" {
		return a, errors.New(a.Error)
	}
	return a, nil
}

func (p *process) tell(command string, members ...int) (answer, error) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	words := []string{command}
	for _, member := range members {
		words = append(words, strconv.Itoa(member))
	}
	if _, err := io.WriteString(p.in, strings.Join(words, " ")+"\n"); err != nil {
		return answer{}, err
	}
	return p.read()
}

func (p *process) do(command string, members ...int) error {
	_, err := p.tell(command, members...)
	return err
}

// ConnectString is what clients are told.
func (p *process) ConnectString() string { return p.place.ConnectString }

// Close ends it, with its ports and files. More than once does no harm.
func (p *process) Close() error {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	_ = p.in.Close()
	if p.command.ProcessState != nil {
		return nil
	}
	return p.command.Wait()
}

// Server is alone, on loopback.
type Server struct{ *process }

// StartServer starts a server; Close ends it.
func StartServer(options Options) (*Server, error) {
	var arguments []string
	if options.Port != 0 {
		arguments = append(arguments, "--port="+strconv.Itoa(options.Port))
	}
	if options.DataDir != "" {
		arguments = append(arguments, "--data-dir="+options.DataDir)
	}
	p, err := run(arguments, options.Settings)
	if err != nil {
		return nil, err
	}
	return &Server{p}, nil
}

// NewServer is a server of the test's own, which ends with it.
func NewServer(t testing.TB) *Server {
	t.Helper()
	server, err := StartServer(Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	return server
}

// DataDir is where logs and snapshots are, in version-2.
func (s *Server) DataDir() string { return s.place.DataDir }

// Stop stops it; data and port stay.
func (s *Server) Stop() error { return s.do("stop") }

// Kill is the same without a word to anybody.
func (s *Server) Kill() error { return s.do("kill") }

// Restart starts it with the data and the port that it had; one that runs is stopped first.
func (s *Server) Restart() error { return s.do("restart") }

// Ensemble has members with the numbers 1, 2, …, on loopback.
type Ensemble struct{ *process }

// StartEnsemble starts so many members; Close ends them.
func StartEnsemble(members int, options Options) (*Ensemble, error) {
	p, err := run([]string{"--members=" + strconv.Itoa(members)}, options.Settings)
	if err != nil {
		return nil, err
	}
	return &Ensemble{p}, nil
}

// NewEnsemble is an ensemble of the test's own, which ends with it.
func NewEnsemble(t testing.TB, members int) *Ensemble {
	t.Helper()
	ensemble, err := StartEnsemble(members, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ensemble.Close() })
	return ensemble
}

// Members are the connect strings of the members.
func (e *Ensemble) Members() []string { return e.place.Members }

// Stop stops a member; its data and port stay.
func (e *Ensemble) Stop(member int) error { return e.do("stop", member) }

// Kill is the same without a word to anybody.
func (e *Ensemble) Kill(member int) error { return e.do("kill", member) }

// Restart starts a member with the data and the port that it had. It does not wait until it serves: see AwaitServing.
func (e *Ensemble) Restart(member int) error { return e.do("restart", member) }

// Pause lets a member stand still, as far as anybody can see.
func (e *Ensemble) Pause(member int) error { return e.do("pause", member) }

// Resume lets it go on.
func (e *Ensemble) Resume(member int) error { return e.do("resume", member) }

// Partition cuts the lines between these members and all others.
func (e *Ensemble) Partition(members ...int) error { return e.do("partition", members...) }

// Heal mends all lines.
func (e *Ensemble) Heal() error { return e.do("heal") }

// AwaitServing waits until these members serve, or all, half a minute at most.
func (e *Ensemble) AwaitServing(members ...int) error { return e.do("await", members...) }

// Mode is leader or follower, or empty where the member does not serve.
func (e *Ensemble) Mode(member int) (string, error) {
	a, err := e.tell("mode", member)
	if err != nil || a.Mode == nil {
		return "", err
	}
	return *a.Mode, nil
}

// Leader is the number of the member that leads; 0 where none does.
func (e *Ensemble) Leader() (int, error) {
	a, err := e.tell("leader")
	if err != nil || a.Leader == nil {
		return 0, err
	}
	return *a.Leader, nil
}
