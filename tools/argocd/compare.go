package main

import (
	"encoding/json"

	"github.com/argoproj/gitops-engine/pkg/diff"
	"github.com/argoproj/gitops-engine/pkg/health"
	"github.com/argoproj/gitops-engine/pkg/sync"
	"github.com/argoproj/gitops-engine/pkg/sync/hook"
	"github.com/argoproj/gitops-engine/pkg/utils/kube"
	"github.com/argoproj/gitops-engine/pkg/utils/tracing"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/klog/v2"
)

// state is what Argo CD shows of one object; the last two tell what differs, as the object is and as a sync would leave it.
type state struct {
	Kind      string          `json:"kind"`
	Name      string          `json:"name"`
	Sync      string          `json:"sync"`
	Prune     bool            `json:"prune"`
	Health    string          `json:"health"`
	Live      json.RawMessage `json:"live,omitempty"`
	Predicted json.RawMessage `json:"predicted,omitempty"`
}

// withoutStatus leaves statuses out of comparisons, which is Argo CD's default (ignoreResourceStatusField: all).
type withoutStatus struct{}

func (withoutStatus) Normalize(object *unstructured.Unstructured) error {
	unstructured.RemoveNestedField(object.Object, "status")
	return nil
}

// compare says of each object of the application, hooks apart, whether it is as wanted.
func (app *application) compare() ([]state, error) {
	beside, err := app.reconciled()
	if err != nil {
		return nil, err
	}
	found, err := app.differences(beside)
	if err != nil {
		return nil, err
	}
	said := []state{}
	for i, wanted := range beside.Target {
		shown := wanted
		if shown == nil {
			shown = beside.Live[i]
		}
		if !hook.IsHook(shown) {
			said = append(said, stateOf(shown, wanted, beside.Live[i], found.Diffs[i]))
		}
	}
	return said, nil
}

func (app *application) differences(beside sync.ReconciliationResult) (*diff.DiffResultList, error) {
	dryRuns, cleanup, err := kube.ManageServerSideDiffDryRuns(app.config, app.cluster.GetOpenAPISchema(),
		tracing.NopTracer{}, klog.NewKlogr(), nil)
	if err != nil {
		return nil, err
	}
	defer cleanup()
	return diff.DiffArray(beside.Target, beside.Live,
		diff.WithLogr(klog.NewKlogr()),
		diff.WithNormalizer(withoutStatus{}),
		diff.WithManager(manager),
		diff.WithGVKParser(app.cluster.GetGVKParser()),
		diff.WithStructuredMergeDiff(app.serverSide),
		diff.WithServerSideDiff(app.dryRuns),
		diff.WithServerSideDryRunner(diff.NewK8sServerSideDryRunner(dryRuns)),
		diff.WithIgnoreMutationWebhook(true),
	)
}

func stateOf(shown, wanted, live *unstructured.Unstructured, found diff.DiffResult) state {
	said := state{Kind: shown.GetKind(), Name: reference(shown), Sync: "Synced", Prune: wanted == nil, Health: "Missing"}
	if live != nil {
		said.Health = healthOf(live)
	}
	if wanted == nil || live == nil || found.Modified {
		said.Sync, said.Live, said.Predicted = "OutOfSync", found.NormalizedLive, found.PredictedLive
	}
	return said
}

// healthOf returns "" for a kind that has none.
func healthOf(live *unstructured.Unstructured) string {
	found, err := health.GetResourceHealth(live, nil)
	switch {
	case err != nil:
		return err.Error()
	case found == nil:
		return ""
	}
	return string(found.Status)
}
