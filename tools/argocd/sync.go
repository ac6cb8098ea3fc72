package main

import (
	"context"
	"time"

	"github.com/argoproj/gitops-engine/pkg/sync"
	"github.com/argoproj/gitops-engine/pkg/sync/common"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/klog/v2"
)

// progress is how far one sync has come.
type progress struct {
	phase   common.OperationPhase
	message string
	results []common.ResourceSyncResult
	begun   time.Time
}

// outcome is what Argo CD shows of it.
type outcome struct {
	Phase   string `json:"phase"`
	Message string `json:"message"`
	Results []step `json:"results"`
}

// step is what became of one object; Hook is PreSync, PostSync and so on, and empty for what is no hook.
type step struct {
	Kind    string `json:"kind"`
	Name    string `json:"name"`
	Hook    string `json:"hook"`
	Status  string `json:"status"`
	Message string `json:"message"`
}

// sync applies what is wanted and prunes what is not; hooks wait until the rest is healthy.  As in Argo CD, each round sees the
// cluster anew, and goes on from where the last one ended.
func (app *application) sync(ctx context.Context) (outcome, error) {
	sofar := progress{phase: common.OperationRunning, begun: time.Now()}
	for !sofar.phase.Completed() && ctx.Err() == nil {
		if err := app.round(&sofar); err != nil {
			return outcome{}, err
		}
		time.Sleep(300 * time.Millisecond)
	}
	return sofar.said(), nil
}

func (app *application) round(sofar *progress) error {
	beside, err := app.reconciled()
	if err != nil {
		return err
	}
	under, cleanup, err := sync.NewSyncContext("1", beside, app.config, app.config, app.kubectl, app.namespace,
		app.cluster.GetOpenAPISchema(), app.options(*sofar)...)
	if err != nil {
		return err
	}
	defer cleanup()
	under.Sync()
	sofar.phase, sofar.message, sofar.results = under.GetState()
	return nil
}

func (app *application) options(sofar progress) []sync.SyncOpt {
	const dryRun, prune, force, skipHooks = false, true, false, false
	foreground := meta.DeletePropagationForeground
	return []sync.SyncOpt{
		sync.WithLogr(klog.NewKlogr()),
		sync.WithOperationSettings(dryRun, prune, force, skipHooks),
		sync.WithInitialState(sofar.phase, sofar.message, sofar.results, meta.NewTime(sofar.begun)),
		sync.WithManifestValidation(true),
		sync.WithPrunePropagationPolicy(&foreground),
		sync.WithServerSideApply(app.serverSide),
		sync.WithServerSideApplyManager(manager),
		sync.WithNamespaceModifier(func(_, live *unstructured.Unstructured) (bool, error) { return live == nil, nil }),
	}
}

func (sofar progress) said() outcome {
	found := outcome{Phase: string(sofar.phase), Message: sofar.message, Results: []step{}}
	for _, each := range sofar.results {
		found.Results = append(found.Results, step{
			Kind: each.ResourceKey.Kind, Name: each.ResourceKey.Name, Hook: string(each.HookType),
			Status: string(each.Status), Message: each.Message,
		})
	}
	return found
}
