package oxkeeper

import (
	"net"
	"strings"
	"testing"
)

// The clients of compat-tests/kits/go use servers as a test suite does; this is what needs none.

func TestServer(t *testing.T) {
	server := NewServer(t)
	for _, step := range []func() error{server.Restart, server.Kill, server.Restart, server.Stop} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	if err := server.Stop(); err == nil {
		t.Fatal("it was stopped twice")
	}
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	if conn, err := net.Dial("tcp", server.ConnectString()); err == nil {
		_ = conn.Close()
		t.Fatal("it is still there")
	}
}

func TestWrongSettings(t *testing.T) {
	_, err := StartServer(Options{Settings: map[string]string{"tickTime": "soon"}})
	if err == nil || !strings.Contains(err.Error(), "tickTime") {
		t.Fatal(err)
	}
}

func TestEnsemble(t *testing.T) {
	ensemble := NewEnsemble(t, 3)
	leader, err := ensemble.Leader()
	if err != nil || leader == 0 || len(ensemble.Members()) != 3 {
		t.Fatal(leader, err)
	}
	if err := ensemble.Kill(leader); err != nil {
		t.Fatal(err)
	}
	if err := ensemble.Restart(leader); err != nil {
		t.Fatal(err)
	}
	if err := ensemble.AwaitServing(); err != nil {
		t.Fatal(err)
	}
	if mode, err := ensemble.Mode(leader); err != nil || mode != "follower" && mode != "leader" {
		t.Fatal(mode, err)
	}
}
