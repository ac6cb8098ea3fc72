// What Argo CD does with a rendered chart, by its own engine and no other part of it: manifests on standard input are compared
// with a cluster, or synced to it, as an Application with automated sync would; what came of it goes to standard output as JSON.
// Argo CD's server, repository and Application objects are left out: they bring manifests here, and show what is found.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"io"
	"log"
	"os"
	"time"

	"github.com/argoproj/gitops-engine/pkg/utils/kube"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/klog/v2"
)

func main() {
	kubeconfig := flag.String("kubeconfig", "", "the cluster, as the application controller")
	name := flag.String("app", "computegate", "name of the Application")
	namespace := flag.String("namespace", "", "its destination, which a sync makes (CreateNamespace=true)")
	serverSide := flag.Bool("server-side", false, "the sync option ServerSideApply=true")
	dryRuns := flag.Bool("server-side-diff", false, "the compare option ServerSideDiff=true")
	patience := flag.Duration("timeout", 3*time.Minute, "when a sync that does not end is given up")
	klog.InitFlags(nil)
	flag.Parse()
	ctx, stop := context.WithTimeout(context.Background(), *patience)
	defer stop()
	wanted, err := manifests(os.Stdin, *name)
	if err != nil {
		log.Fatal(err)
	}
	app := application{name: *name, namespace: *namespace, serverSide: *serverSide, dryRuns: *dryRuns, wanted: wanted}
	if err := app.open(*kubeconfig); err != nil {
		log.Fatal(err)
	}
	said, err := app.run(ctx, flag.Arg(0))
	if err != nil {
		log.Fatal(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(said); err != nil {
		log.Fatal(err)
	}
}

// manifests reads YAML documents, and marks each as a part of the application, but for definitions of kinds, as Argo CD does.
func manifests(input io.Reader, name string) ([]*unstructured.Unstructured, error) {
	text, err := io.ReadAll(input)
	if err != nil {
		return nil, err
	}
	found, err := kube.SplitYAML(text)
	if err != nil {
		return nil, err
	}
	for _, each := range found {
		if !kube.IsCRD(each) {
			track(each, name)
		}
	}
	return found, nil
}
