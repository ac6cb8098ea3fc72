// Command peer is the admission webhook that the common framework for controllers makes: controller-runtime's server,
// a validator of typed pods, the namespace read from the manager's cache.  It refuses accelerators in namespaces without
// a label; counting is left to a ResourceQuota.  With --cleared it serves without an API server: the namespaces that it
// names are all there are, and are copied when they are read, as the cache does it.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	metrics "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

const (
	resource = "nvidia.com/gpu"
	label    = "bench.example.com/cleared"
	path     = "/validate--v1-pod"
)

type validator struct {
	reader client.Reader
}

func (v validator) ValidateCreate(ctx context.Context, pod *corev1.Pod) (admission.Warnings, error) {
	for _, container := range pod.Spec.Containers {
		if asked := container.Resources.Limits[resource]; asked.IsZero() {
			continue
		}
		var namespace corev1.Namespace
		if err := v.reader.Get(ctx, client.ObjectKey{Name: pod.Namespace}, &namespace); err != nil {
			return nil, err
		}
		if namespace.Labels[label] != "true" {
			return nil, fmt.Errorf("namespace %s is not cleared for %s", pod.Namespace, resource)
		}
	}
	return nil, nil
}

func (validator) ValidateUpdate(context.Context, *corev1.Pod, *corev1.Pod) (admission.Warnings, error) {
	return nil, nil
}

func (validator) ValidateDelete(context.Context, *corev1.Pod) (admission.Warnings, error) {
	return nil, nil
}

// namespaces is a reader of namespaces that are all cleared.
type namespaces map[string]*corev1.Namespace

func (n namespaces) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	found, ok := n[key.Name]
	if !ok {
		return errors.NewNotFound(corev1.Resource("namespaces"), key.Name)
	}
	found.DeepCopyInto(into.(*corev1.Namespace))
	return nil
}

func (namespaces) List(context.Context, client.ObjectList, ...client.ListOption) error {
	return errors.NewMethodNotSupported(corev1.Resource("namespaces"), "list")
}

func cleared(names string) namespaces {
	all := namespaces{}
	for _, name := range strings.Split(names, ",") {
		all[name] = &corev1.Namespace{}
		all[name].Name, all[name].Labels = name, map[string]string{label: "true"}
	}
	return all
}

func serveManaged(server webhook.Server) error {
	manager, err := ctrl.NewManager(ctrl.GetConfigOrDie(), ctrl.Options{
		Metrics:       metrics.Options{BindAddress: "0"},
		WebhookServer: server,
	})
	if err != nil {
		return err
	}
	ctx := ctrl.SetupSignalHandler()
	if _, err := manager.GetCache().GetInformer(ctx, &corev1.Namespace{}); err != nil {
		return err
	}
	if err := ctrl.NewWebhookManagedBy(manager, &corev1.Pod{}).WithValidator(validator{manager.GetClient()}).Complete(); err != nil {
		return err
	}
	return manager.Start(ctx)
}

func serveAlone(server webhook.Server, reader client.Reader) error {
	server.Register(path, admission.WithValidator(scheme.Scheme, validator{reader}))
	return server.Start(ctrl.SetupSignalHandler())
}

func main() {
	port := flag.Int("port", 0, "where to serve "+path)
	folder := flag.String("certificates", "", "folder of tls.crt and tls.key")
	names := flag.String("cleared", "", "serve alone; the namespaces that there are, separated by commas")
	flag.Parse() // --kubeconfig is controller-runtime's own flag
	ctrl.SetLogger(zap.New())
	server := webhook.NewServer(webhook.Options{Host: "127.0.0.1", Port: *port, CertDir: *folder})
	if *names != "" {
		log.Fatal(serveAlone(server, cleared(*names)))
	}
	log.Fatal(serveManaged(server))
}
