// Command load sends AdmissionReviews over TLS with kept connections, through net/http's transport set up as client-go
// sets it up for webhooks (HTTP/1.1, 25 idle connections), and prints one JSON object.  It sends in a closed loop over
// a number of connections; or, with -rate, in an open loop, each review at its own instant whatever became of those
// before: its time then counts from that instant.  With -requests it sends so many and no more.
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

// marker stands for the uid in the body file; every request gets another one of the same length.  So does namespace,
// where there are several.
const (
	marker    = "00000000-0000-4000-8000-000000000000"
	namespace = "team-000000"
)

type tally struct {
	latencies []time.Duration
	allowed   int
	failed    int
}

func (t *tally) add(other tally) {
	t.latencies = append(t.latencies, other.latencies...)
	t.allowed += other.allowed
	t.failed += other.failed
}

type worker struct {
	client *http.Client
	url    string
	parts  [][]byte
	uids   int
	teams  int
}

func (w worker) body(n int) []byte {
	uid := fmt.Appendf(nil, "00000000-0000-4000-8000-%012x", n%w.uids)
	body := bytes.Join(w.parts, uid)
	if w.teams > 0 {
		body = bytes.ReplaceAll(body, []byte(namespace), fmt.Appendf(nil, "team-%06d", n%w.teams))
	}
	return body
}

func (w worker) ask(n int, begun time.Time, into *tally) {
	body := w.body(n)
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

func (w worker) run(first, step int, more func(int) bool) tally {
	var counted tally
	for n := first; more(n); n += step {
		w.ask(n, time.Now(), &counted)
	}
	return counted
}

// closed sends over so many connections, on each of them one review after the other.
func (w worker) closed(connections int, more func(int) bool) tally {
	return together(connections, func(i int) tally { return w.run(i, connections, more) })
}

// open sends so many reviews in each second.
func (w worker) open(rate, seconds float64) tally {
	begun := time.Now()
	return together(int(rate*seconds), func(i int) tally {
		due := begun.Add(time.Duration(float64(i) / rate * float64(time.Second)))
		time.Sleep(time.Until(due))
		var counted tally
		w.ask(i, due, &counted)
		return counted
	})
}

// together runs all at once and adds up what they counted.
func together(number int, run func(int) tally) tally {
	var group sync.WaitGroup
	each := make([]tally, number)
	for i := range each {
		group.Go(func() { each[i] = run(i) })
	}
	group.Wait()
	var all tally
	for _, one := range each {
		all.add(one)
	}
	return all
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
	rate := flag.Float64("rate", 0, "reviews in each second, in an open loop")
	requests := flag.Int("requests", 0, "how many to send, instead of for how long")
	uids := flag.Int("uids", 1000, "how many different uids to send")
	teams := flag.Int("namespaces", 0, "how many namespaces to take in turn, instead of the body's")
	flag.Parse()
	body, err := os.ReadFile(*file)
	if err != nil {
		log.Fatal(err)
	}
	shared := worker{&http.Client{Transport: transport(*authority)}, *url, bytes.Split(body, []byte(marker)), *uids, *teams}
	begun := time.Now()
	until := begun.Add(time.Duration(*seconds * float64(time.Second)))
	more := func(n int) bool { return time.Now().Before(until) }
	if *requests > 0 {
		more = func(n int) bool { return n < *requests }
	}
	var all tally
	if *rate > 0 {
		all = shared.open(*rate, *seconds)
	} else {
		all = shared.closed(*connections, more)
	}
	report(all, time.Since(begun))
}
