// Command load sends AdmissionReviews in a closed loop over TLS with kept connections, through net/http's
// transport set up as client-go sets it up for webhooks (HTTP/1.1, 25 idle connections), and prints one JSON object.
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
	"sync"
	"time"
)

// marker stands for the uid in the body file; every request gets another one of the same length.
const marker = "00000000-0000-4000-8000-000000000000"

type tally struct {
	latencies []time.Duration
	allowed   int
	failed    int
}

type worker struct {
	client *http.Client
	url    string
	parts  [][]byte
	uids   int
}

func (w worker) body(n int) []byte {
	uid := fmt.Appendf(nil, "00000000-0000-4000-8000-%012x", n%w.uids)
	return bytes.Join(w.parts, uid)
}

func (w worker) ask(n int, into *tally) {
	body := w.body(n)
	begun := time.Now()
	response, err := w.client.Post(w.url, "application/json", bytes.NewReader(body))
	if err != nil {
		into.failed++
		return
	}
	answer, err := io.ReadAll(response.Body)
	response.Body.Close()
	if err != nil || response.StatusCode != http.StatusOK {
		into.failed++
		return
	}
	into.latencies = append(into.latencies, time.Since(begun))
	if bytes.Contains(answer, []byte(`"allowed":true`)) {
		into.allowed++
	}
}

func (w worker) run(first, step int, until time.Time) tally {
	var counted tally
	for n := first; time.Now().Before(until); n += step {
		w.ask(n, &counted)
	}
	return counted
}

func transport(authority string) *http.Transport {
	pem, err := os.ReadFile(authority)
	if err != nil {
		log.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	return &http.Transport{
		TLSClientConfig:     &tls.Config{RootCAs: roots, ServerName: "localhost", NextProtos: []string{"http/1.1"}},
		MaxIdleConnsPerHost: 25,
		IdleConnTimeout:     90 * time.Second,
		TLSHandshakeTimeout: 10 * time.Second,
	}
}

func report(all tally, elapsed time.Duration) {
	slices.Sort(all.latencies)
	at := func(share float64) float64 {
		if len(all.latencies) == 0 {
			return 0
		}
		return float64(all.latencies[int(share*float64(len(all.latencies)-1))].Microseconds())
	}
	_ = json.NewEncoder(os.Stdout).Encode(map[string]float64{
		"requests": float64(len(all.latencies)), "allowed": float64(all.allowed), "failed": float64(all.failed),
		"rps": float64(len(all.latencies)) / elapsed.Seconds(), "p50_us": at(0.5), "p99_us": at(0.99),
	})
}

func main() {
	url := flag.String("url", "", "where to send")
	authority := flag.String("authority", "", "PEM file of the authority to trust")
	file := flag.String("body", "", "file with the review")
	connections := flag.Int("connections", 8, "requests under way at once")
	seconds := flag.Float64("seconds", 2, "how long")
	uids := flag.Int("uids", 1000, "how many different uids to send")
	flag.Parse()
	body, err := os.ReadFile(*file)
	if err != nil {
		log.Fatal(err)
	}
	shared := worker{&http.Client{Transport: transport(*authority)}, *url, bytes.Split(body, []byte(marker)), *uids}
	var group sync.WaitGroup
	counted := make([]tally, *connections)
	begun := time.Now()
	until := begun.Add(time.Duration(*seconds * float64(time.Second)))
	for i := range counted {
		group.Add(1)
		go func() {
			defer group.Done()
			counted[i] = shared.run(i, *connections, until)
		}()
	}
	group.Wait()
	elapsed := time.Since(begun)
	var all tally
	for _, one := range counted {
		all.latencies = append(all.latencies, one.latencies...)
		all.allowed += one.allowed
		all.failed += one.failed
	}
	report(all, elapsed)
}
