// Command peer is the admission webhook that the common framework for controllers makes: controller-runtime's server,
// a validator of typed pods, the namespace read from the manager's cache.  It refuses accelerators in namespaces without
// a label; counting is left to a ResourceQuota.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"

	corev1 "k8s.io/api/core/v1"
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

func main() {
	port := flag.Int("port", 0, "where to serve /validate--v1-pod")
	folder := flag.String("certificates", "", "folder of tls.crt and tls.key")
	flag.Parse() // --kubeconfig is controller-runtime's own flag
	ctrl.SetLogger(zap.New())
	manager, err := ctrl.NewManager(ctrl.GetConfigOrDie(), ctrl.Options{
		Metrics:       metrics.Options{BindAddress: "0"},
		WebhookServer: webhook.NewServer(webhook.Options{Host: "127.0.0.1", Port: *port, CertDir: *folder}),
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx := ctrl.SetupSignalHandler()
	if _, err := manager.GetCache().GetInformer(ctx, &corev1.Namespace{}); err != nil {
		log.Fatal(err)
	}
	if err := ctrl.NewWebhookManagedBy(manager, &corev1.Pod{}).WithValidator(validator{manager.GetClient()}).Complete(); err != nil {
		log.Fatal(err)
	}
	log.Fatal(manager.Start(ctx))
}
