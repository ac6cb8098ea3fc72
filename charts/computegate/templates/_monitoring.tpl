{{/* Contradictions between the times of certificates, scrapes and alerts. */}}
{{- define "computegate.checkMonitoring" -}}
{{- $issued := .Values.tls.certManager -}}
{{- $life := include "computegate.seconds" $issued.duration | int64 -}}
{{- $before := include "computegate.seconds" $issued.renewBefore | int64 -}}
{{- if and (eq .Values.tls.mode "certManager") (or (lt $life 3600) (lt $before 300)) -}}
{{- fail "tls.certManager.duration must be an hour or more, and renewBefore five minutes or more: cert-manager refuses less" -}}
{{- end -}}
{{- if and $life $before (le $life $before) -}}
{{- fail "tls.certManager.renewBefore must be less than duration: it would be renewed all the time" -}}
{{- end -}}
{{- range $kind := list "serviceMonitor" "podMonitor" -}}
{{- $values := get $.Values $kind -}}
{{- $every := include "computegate.seconds" $values.interval | int64 -}}
{{- if and $values.enabled (not $every) -}}
{{- fail (printf "%s.interval is no time at all: Prometheus refuses that" $kind) -}}
{{- end -}}
{{- if and $every (gt (include "computegate.seconds" $values.scrapeTimeout | int64) $every) -}}
{{- fail (printf "%s.scrapeTimeout is longer than interval: Prometheus refuses that" $kind) -}}
{{- end -}}
{{- end -}}
{{- if .Values.prometheusRule.enabled -}}
{{- range $kind := list "serviceMonitor" "podMonitor" "prometheusRule" -}}
{{- $values := get $.Values $kind -}}
{{- if and $values.enabled (gt (include "computegate.seconds" $values.interval | int64) 60) -}}
{{- fail (printf "%s.interval is more than a minute: the alerts look at the last minutes, and would come late or not at all" $kind) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $known := list -}}
{{- range (.Files.Get "files/alerts.yaml" | fromYaml).groups -}}
{{- range .alerts -}}
{{- $known = append $known .alert -}}
{{- end -}}
{{- end -}}
{{- range .Values.prometheusRule.disabled -}}
{{- if not (has . $known) -}}
{{- fail (printf "prometheusRule.disabled names %s, which is no alert of this chart: see docs/alerts.md" .) -}}
{{- end -}}
{{- end -}}
{{- if hasKey .Values.prometheusRule.alertLabels "severity" -}}
{{- fail "prometheusRule.alertLabels must not set severity: each alert has its own" -}}
{{- end -}}
{{- if and .Values.prometheusRule.enabled (not .Values.webhook.url) -}}
{{- $alert := mul .Values.prometheusRule.certificateDays 86400 -}}
{{- if and (eq .Values.tls.mode "selfManaged") (ge (mul 3 $alert) (mul .Values.tls.selfManaged.certificateDays 86400)) -}}
{{- fail "prometheusRule.certificateDays must be less than a third of tls.selfManaged.certificateDays: a certificate is renewed when a third is left, and the alert would come before that" -}}
{{- end -}}
{{- if and (eq .Values.tls.mode "certManager") $before (ge $alert $before) -}}
{{- fail "prometheusRule.certificateDays must be less than tls.certManager.renewBefore: the alert would come before the certificate is renewed" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Seconds at the worst until it is told that the gate was taken away: seen, scraped, evaluated. */}}
{{- define "computegate.toldAfter" -}}
{{- $scraped := 0 -}}
{{- range $kind := list "serviceMonitor" "podMonitor" -}}
{{- $values := get $.Values $kind -}}
{{- if $values.enabled -}}
{{- $scraped = max $scraped (include "computegate.seconds" $values.interval | int64) -}}
{{- end -}}
{{- end -}}
{{- $evaluated := default "1m" .Values.prometheusRule.interval -}}{{/* Prometheus' own default */}}
{{- add 3 $scraped (include "computegate.seconds" $evaluated | int64) -}}
{{- end -}}

{{/* Seconds of a duration, such as 1h30m; 0 for one that is none. */}}
{{- define "computegate.seconds" -}}
{{- $sum := 0 -}}
{{- if regexMatch "^([0-9]+(h|m|s))+$" (toString .) -}}
{{- range regexFindAll "[0-9]+(h|m|s)" (toString .) -1 -}}
{{- $unit := get (dict "h" 3600 "m" 60 "s" 1) (substr (sub (len .) 1 | int) (len .) .) -}}
{{- $sum = add $sum (mul (regexFind "[0-9]+" . | int64) $unit) -}}
{{- end -}}
{{- end -}}
{{- $sum -}}
{{- end -}}
