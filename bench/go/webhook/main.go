// Command webhook is the cheapest honest admission webhook in Go: net/http over TLS, the body read whole and
// decoded with encoding/json into only those fields that a decision on accelerators needs, and an answer.
package main

import (
	"encoding/json"
	"flag"
	"io"
	"log"
	"net/http"
	"time"
)

type resources struct {
	Limits   map[string]any `json:"limits"`
	Requests map[string]any `json:"requests"`
}

type container struct {
	Name      string    `json:"name"`
	Resources resources `json:"resources"`
}

type review struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Request    struct {
		UID       string `json:"uid"`
		Namespace string `json:"namespace"`
		Operation string `json:"operation"`
		DryRun    bool   `json:"dryRun"`
		UserInfo  struct {
			Username string `json:"username"`
		} `json:"userInfo"`
		Object struct {
			Metadata struct {
				Name   string            `json:"name"`
				UID    string            `json:"uid"`
				Labels map[string]string `json:"labels"`
			} `json:"metadata"`
			Spec struct {
				NodeSelector   map[string]string `json:"nodeSelector"`
				Containers     []container       `json:"containers"`
				InitContainers []container       `json:"initContainers"`
			} `json:"spec"`
		} `json:"object"`
	} `json:"request"`
}

type response struct {
	UID     string `json:"uid"`
	Allowed bool   `json:"allowed"`
}

type answer struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Response   response `json:"response"`
}

func validate(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 8<<20))
	if err != nil {
		http.Error(w, "cannot read the body", http.StatusBadRequest)
		return
	}
	var asked review
	if err := json.Unmarshal(body, &asked); err != nil {
		http.Error(w, "not a review", http.StatusBadRequest)
		return
	}
	out, err := json.Marshal(answer{asked.APIVersion, asked.Kind, response{asked.Request.UID, true}})
	if err != nil {
		http.Error(w, "cannot answer", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(out)
}

func main() {
	address := flag.String("address", "127.0.0.1:0", "where to listen")
	certificate := flag.String("certificate", "", "PEM file")
	key := flag.String("key", "", "PEM file")
	flag.Parse()
	mux := http.NewServeMux()
	mux.HandleFunc("/validate/enforced", validate)
	server := &http.Server{Addr: *address, Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	log.Fatal(server.ListenAndServeTLS(*certificate, *key))
}
