package kit

import (
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
	"oxkeeper"
)

type silent struct{}

func (silent) Printf(string, ...interface{}) {}

func client(t *testing.T, where string) *zk.Conn {
	t.Helper()
	conn, events, err := zk.Connect(strings.Split(where, ","), 10*time.Second, zk.WithLogger(silent{}))
	if err != nil {
		t.Fatal(err)
	}
	late := time.After(30 * time.Second)
	for {
		select {
		case event := <-events:
			if event.State == zk.StateHasSession {
				return conn
			}
		case <-late:
			t.Fatal("no session")
		}
	}
}

func TestServer(t *testing.T) {
	server := oxkeeper.NewServer(t)
	conn := client(t, server.ConnectString())
	if _, err := conn.Create("/a", []byte("1"), 0, zk.WorldACL(zk.PermAll)); err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	conn = client(t, server.ConnectString())
	defer conn.Close()
	if data, _, err := conn.Get("/a"); err != nil || string(data) != "1" {
		t.Fatal(string(data), err)
	}
}

func TestEnsemble(t *testing.T) {
	ensemble := oxkeeper.NewEnsemble(t, 3)
	conn := client(t, ensemble.ConnectString())
	if _, err := conn.Create("/a", []byte("1"), 0, zk.WorldACL(zk.PermAll)); err != nil {
		t.Fatal(err)
	}
	conn.Close()
	leader, err := ensemble.Leader()
	if err != nil {
		t.Fatal(err)
	}
	if err := ensemble.Kill(leader); err != nil {
		t.Fatal(err)
	}
	others := []int{}
	for member := range ensemble.Members() {
		if member+1 != leader {
			others = append(others, member+1)
		}
	}
	if err := ensemble.AwaitServing(others...); err != nil {
		t.Fatal(err)
	}
	conn = client(t, ensemble.Members()[others[0]-1])
	defer conn.Close()
	if data, _, err := conn.Get("/a"); err != nil || string(data) != "1" {
		t.Fatal(string(data), err)
	}
}
