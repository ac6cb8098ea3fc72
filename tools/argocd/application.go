package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/argoproj/gitops-engine/pkg/cache"
	"github.com/argoproj/gitops-engine/pkg/sync"
	"github.com/argoproj/gitops-engine/pkg/utils/kube"
	"github.com/argoproj/gitops-engine/pkg/utils/tracing"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
)

const (
	tracking = "argocd.argoproj.io/tracking-id" // since Argo CD 3; the label app.kubernetes.io/instance before
	manager  = "argocd-controller"              // of fields that are applied on the server's side
)

// application is one Application, and the cluster it goes to.
type application struct {
	name, namespace     string
	serverSide, dryRuns bool
	wanted              []*unstructured.Unstructured
	config              *rest.Config
	cluster             cache.ClusterCache
	kubectl             kube.Kubectl
}

// open reads everything that is in the cluster.
func (app *application) open(kubeconfig string) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	config.QPS, config.Burst = 200, 400
	logger := klog.NewKlogr()
	app.config = config
	app.kubectl = &kube.KubectlCmd{Log: logger, Tracer: tracing.NopTracer{}}
	app.cluster = cache.NewClusterCache(config, cache.SetLogr(logger), cache.SetPopulateResourceInfoHandler(
		func(*unstructured.Unstructured, bool) (any, bool) { return nil, true }, // whole objects are kept
	))
	return app.cluster.EnsureSynced()
}

func (app *application) run(ctx context.Context, command string) (any, error) {
	switch command {
	case "compare":
		return app.compare()
	case "sync":
		return app.sync(ctx)
	}
	return nil, fmt.Errorf("%q is neither compare nor sync", command)
}

// reconciled puts what is wanted beside what is there; what is there and not wanted is beside nothing.
func (app *application) reconciled() (sync.ReconciliationResult, error) {
	live, err := app.cluster.GetManagedLiveObjs(app.wanted, func(found *cache.Resource) bool {
		return found.Resource != nil && app.owns(found.Resource)
	})
	if err != nil {
		return sync.ReconciliationResult{}, err
	}
	return sync.Reconcile(app.wanted, live, app.namespace, app.cluster), nil
}

// owns tells whether an object is marked as this application's, and by a mark that was made for it, not copied.
func (app *application) owns(object *unstructured.Unstructured) bool {
	return object.GetAnnotations()[tracking] == mark(object, app.name)
}

func mark(object *unstructured.Unstructured, name string) string {
	kind := object.GroupVersionKind().GroupKind()
	return fmt.Sprintf("%s:%s/%s:%s/%s", name, kind.Group, kind.Kind, object.GetNamespace(), object.GetName())
}

func track(object *unstructured.Unstructured, name string) {
	annotations := object.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[tracking] = mark(object, name)
	object.SetAnnotations(annotations)
}

func reference(object *unstructured.Unstructured) string {
	return strings.TrimPrefix(fmt.Sprintf("%s/%s", object.GetNamespace(), object.GetName()), "/")
}
