// What users ask is answered here; sockact.toml says how it is deployed.
package main

import (
	"context"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// Which release this is: the build writes the file. One without it is not whole, and is not well.
func readVersion() string {
	content, _ := os.ReadFile("VERSION")
	return strings.TrimSpace(string(content))
}

func routes(version string) *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if version == "" {
			w.Write([]byte("unknown"))
			return
		}
		w.Write([]byte(version))
	})
	mux.HandleFunc("/health", func(w http.ResponseWriter, r *http.Request) {
		if version == "" {
			http.Error(w, "this release has no file VERSION", http.StatusServiceUnavailable)
		}
	})
	return mux
}

// An address of this slot alone, where each deploy asks for its health.
func serveHealth(handler http.Handler) error {
	path := os.Getenv("SOCKACT_HEALTH")
	os.Remove(path)
	listener, err := net.Listen("unix", path)
	if err == nil {
		go http.Serve(listener, handler)
	}
	return err
}

// How long an old release may take to end what it still answers: swap.drain.
func drainTime() time.Duration {
	drain, err := time.ParseDuration(os.Getenv("SOCKACT_DRAIN_USEC") + "us")
	if err != nil {
		return 30 * time.Second
	}
	return drain
}

func main() {
	// sd_listen_fds(3): with one listener its descriptor is 3.
	listener, err := net.FileListener(os.NewFile(3, "http"))
	if err != nil {
		log.Fatal("systemd passed no socket: ", err)
	}
	mux := routes(readVersion())
	if err := serveHealth(mux); err != nil {
		log.Fatal(err)
	}
	var draining atomic.Bool
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if draining.Load() {
			w.Header().Set("Connection", "close")
		}
		mux.ServeHTTP(w, r)
	})}
	go server.Serve(listener)

	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	<-stop
	// Shutdown cuts idle connections at once, also one whose next request is on its way. So first only accept nobody
	// any more, and let each client make that request: its answer says that it was the last.
	draining.Store(true)
	listener.Close()
	time.Sleep(time.Second)
	deadline, cancel := context.WithTimeout(context.Background(), drainTime())
	defer cancel()
	server.Shutdown(deadline)
}
