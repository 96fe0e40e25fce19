// A server as Go's own documentation has them: net/http on the socket that systemd passed, Shutdown at SIGTERM.
package main

import (
	"context"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

func read(name string) string {
	content, _ := os.ReadFile(name)
	return strings.TrimSpace(string(content))
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	// sd_listen_fds(3): the first descriptor is 3.
	public, err := net.FileListener(os.NewFile(3, "http"))
	check(err)
	path := os.Getenv("SOCKACT_HEALTH")
	os.Remove(path)
	private, err := net.Listen("unix", path)
	check(err)

	version, fault := read("VERSION"), read("FAULT")
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { w.Write([]byte(version)) })
	mux.HandleFunc("/health", func(w http.ResponseWriter, r *http.Request) {
		if fault != "" {
			http.Error(w, fault, http.StatusInternalServerError)
		}
	})
	server := &http.Server{Handler: mux}
	go http.Serve(private, mux)
	ended := make(chan struct{})
	go func() {
		stop := make(chan os.Signal, 1)
		signal.Notify(stop, syscall.SIGTERM)
		<-stop
		server.Shutdown(context.Background())
		close(ended)
	}()
	server.Serve(public)
	<-ended
}
