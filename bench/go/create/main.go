// Command create makes pods through a Kubernetes API server in a closed loop, over HTTP/2 as client-go does, and prints
// one JSON object: how many were created, how fast, and every other answer by its status.
package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// nameMarker and namespaceMarker stand in the body file for what differs from pod to pod.
const (
	nameMarker      = "NAME-MARKER"
	namespaceMarker = "NAMESPACE-MARKER"
)

type tally struct {
	latencies []time.Duration
	refused   map[string]int
	words     string
}

type creator struct {
	client     *http.Client
	server     string
	body       []byte
	prefix     string
	namespaces []string
	next       atomic.Int64
}

// create makes one pod; successive pods go to successive namespaces.
func (c *creator) create(into *tally) {
	n := int(c.next.Add(1))
	namespace := c.namespaces[n%len(c.namespaces)]
	body := bytes.ReplaceAll(c.body, []byte(nameMarker), fmt.Appendf(nil, "%s-%d", c.prefix, n))
	body = bytes.ReplaceAll(body, []byte(namespaceMarker), []byte(namespace))
	begun := time.Now()
	response, err := c.client.Post(c.server+"/api/v1/namespaces/"+namespace+"/pods", "application/json", bytes.NewReader(body))
	if err != nil {
		into.refused["none"]++
		into.words = err.Error()
		return
	}
	answer, err := io.ReadAll(response.Body)
	response.Body.Close()
	if err != nil || response.StatusCode != http.StatusCreated {
		into.refused[strconv.Itoa(response.StatusCode)]++
		into.words = string(answer[:min(len(answer), 500)])
		return
	}
	into.latencies = append(into.latencies, time.Since(begun))
}

func (c *creator) run(until time.Time) tally {
	counted := tally{refused: map[string]int{}}
	for time.Now().Before(until) {
		c.create(&counted)
	}
	return counted
}

func client(authority, certificate, key string) *http.Client {
	pem, err := os.ReadFile(authority)
	if err != nil {
		log.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		log.Fatal(err)
	}
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}},
		ForceAttemptHTTP2: true,
	}}
}

func report(all tally, elapsed time.Duration) {
	slices.Sort(all.latencies)
	at := func(share float64) float64 {
		if len(all.latencies) == 0 {
			return 0
		}
		return float64(all.latencies[int(share*float64(len(all.latencies)-1))].Microseconds()) / 1000
	}
	_ = json.NewEncoder(os.Stdout).Encode(map[string]any{
		"created": len(all.latencies), "refused": all.refused, "words": all.words,
		"rate": float64(len(all.latencies)) / elapsed.Seconds(), "p50_ms": at(0.5), "p99_ms": at(0.99),
	})
}

func main() {
	server := flag.String("server", "", "URL of the API server")
	authority := flag.String("authority", "", "PEM file of the authority to trust")
	certificate := flag.String("certificate", "", "PEM file of the client's certificate")
	key := flag.String("key", "", "PEM file of its key")
	file := flag.String("body", "", "file with the pod")
	prefix := flag.String("prefix", "pod", "how the pods' names begin")
	namespaces := flag.String("namespaces", "default", "where to create, separated by commas: taken in turn")
	workers := flag.Int("workers", 8, "creates under way at once")
	seconds := flag.Float64("seconds", 2, "how long")
	flag.Parse()
	body, err := os.ReadFile(*file)
	if err != nil {
		log.Fatal(err)
	}
	shared := &creator{
		client: client(*authority, *certificate, *key), server: *server, body: body,
		prefix: *prefix, namespaces: strings.Split(*namespaces, ","),
	}
	var group sync.WaitGroup
	counted := make([]tally, *workers)
	begun := time.Now()
	until := begun.Add(time.Duration(*seconds * float64(time.Second)))
	for i := range counted {
		group.Go(func() { counted[i] = shared.run(until) })
	}
	group.Wait()
	elapsed := time.Since(begun)
	all := tally{refused: map[string]int{}}
	for _, one := range counted {
		all.latencies = append(all.latencies, one.latencies...)
		for status, number := range one.refused {
			all.refused[status] += number
		}
		if one.words != "" {
			all.words = one.words
		}
	}
	report(all, elapsed)
}
