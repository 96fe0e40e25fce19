// The application of the comparison in Go: what ../src/bin/app.rs is, for a rival that is a library of Go.
//
//	app bind ADDRESS
//	app tableflip ADDRESS PID_FILE
package main

import (
	"context"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/cloudflare/tableflip"
)

// The release's name.
func version() string {
	exe, err := os.Executable()
	if err != nil {
		log.Fatal(err)
	}
	content, err := os.ReadFile(filepath.Join(filepath.Dir(exe), "..", "VERSION"))
	if err != nil {
		log.Fatal(err)
	}
	return strings.TrimSpace(string(content))
}

func server() *http.Server {
	answer := []byte(version())
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { w.Write(answer) })
	return &http.Server{Handler: mux}
}

func bind(address string) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		log.Fatal(err)
	}
	server := server()
	go server.Serve(listener)
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	<-stop
	server.Shutdown(context.Background())
}

// As the documentation of tableflip does it for net/http.
func upgradable(address, pidFile string) {
	upgrader, err := tableflip.New(tableflip.Options{PIDFile: pidFile})
	if err != nil {
		log.Fatal(err)
	}
	defer upgrader.Stop()
	go func() {
		upgrade := make(chan os.Signal, 1)
		signal.Notify(upgrade, syscall.SIGHUP)
		for range upgrade {
			if err := upgrader.Upgrade(); err != nil {
				log.Print("no upgrade: ", err)
			}
		}
	}()
	listener, err := upgrader.Listen("tcp", address)
	if err != nil {
		log.Fatal(err)
	}
	server := server()
	go server.Serve(listener)
	if err := upgrader.Ready(); err != nil {
		log.Fatal(err)
	}
	<-upgrader.Exit()
	time.AfterFunc(30*time.Second, func() { os.Exit(1) })
	server.Shutdown(context.Background())
}

func main() {
	switch {
	case len(os.Args) == 3 && os.Args[1] == "bind":
		bind(os.Args[2])
	case len(os.Args) == 4 && os.Args[1] == "tableflip":
		upgradable(os.Args[2], os.Args[3])
	default:
		log.Fatal("usage: app bind ADDRESS | app tableflip ADDRESS PID_FILE")
	}
}
