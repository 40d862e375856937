// What a Go program sees over TLS: see ../../clients.py, which says what to do by the environment. (The library knows no SASL.)
package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"sort"
	"time"

	"github.com/go-zookeeper/zk"
)

type silent struct{}

func (silent) Printf(string, ...interface{}) {}

func main() {
	config := &tls.Config{ServerName: "localhost", RootCAs: x509.NewCertPool()}
	pem, err := os.ReadFile(os.Getenv("CA"))
	if err != nil {
		panic(err)
	}
	config.RootCAs.AppendCertsFromPEM(pem)
	if os.Getenv("CERT") != "" {
		pair, err := tls.LoadX509KeyPair(os.Getenv("CERT"), os.Getenv("KEY"))
		if err != nil {
			panic(err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	failed := make(chan error, 100)
	dial := func(network, address string, timeout time.Duration) (net.Conn, error) {
		conn, err := tls.DialWithDialer(&net.Dialer{Timeout: timeout}, network, address, config)
		if err != nil {
			failed <- err
			return nil, err
		}
		return conn, nil
	}
	conn, events, err := zk.Connect([]string{os.Getenv("ZK")}, 10*time.Second, zk.WithDialer(dial), zk.WithLogger(silent{}))
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	for end := time.After(4 * time.Second); ; {
		select {
		case event := <-events:
			if event.State == zk.StateHasSession {
				goto connected
			}
			continue
		case <-failed:
		case <-end:
		}
		fmt.Println("connect -> turned away")
		return
	}
connected:
	base := os.Getenv("BASE")
	all := zk.WorldACL(zk.PermAll)
	path, err := conn.Create(base, []byte("x"), 0, all)
	fmt.Println("create ->", path, err)
	large := make([]byte, 800_000)
	stat, err := conn.Set(base, large, -1)
	fmt.Println("set ->", stat.Version, err)
	data, _, err := conn.Get(base)
	fmt.Println("get ->", len(data), err)
	_, err = conn.Create(base+"/own", nil, 0, []zk.ACL{{Perms: zk.PermAll, Scheme: os.Getenv("SCHEME"), ID: os.Getenv("ID")}})
	fmt.Println("own ->", err)
	_, _, err = conn.Get(base + "/own")
	fmt.Println("own ->", err)
	_, _, err = conn.Get("/another")
	fmt.Println("another's ->", err)
	_, _, watch, err := conn.ChildrenW(base)
	fmt.Println("watch ->", err)
	_, err = conn.Create(base+"/e", nil, zk.FlagEphemeral, all)
	fmt.Println("ephemeral ->", err)
	select {
	case event := <-watch:
		fmt.Println("event ->", event.Type, event.Path)
	case <-time.After(10 * time.Second):
		fmt.Println("event -> none")
	}
	children, _, err := conn.Children(base)
	sort.Strings(children)
	fmt.Println("children ->", children, err)
}
