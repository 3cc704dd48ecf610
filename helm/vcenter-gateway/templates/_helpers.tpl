{{- define "vcenter-gateway.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- /* Prefix of all object names: at most 50 characters, which leaves room for suffixes. */}}
{{- define "vcenter-gateway.basename" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{- /* The same, including the vCenter's name in a fleet. */}}
{{- define "vcenter-gateway.fullname" -}}
{{- $base := include "vcenter-gateway.basename" . }}
{{- $vcenter := get . "vcenter" | default "" }}
{{- if $vcenter }}
{{- $base = printf "%s-%s" ($base | trunc (int (sub 49 (len $vcenter))) | trimSuffix "-") $vcenter }}
{{- end }}
{{- $base }}
{{- end }}

{{- /* The name of the objects of one vCenter of a fleet: (list $ NAME). */}}
{{- define "vcenter-gateway.nameOf" -}}
{{- $each := omit (first .) "vcenter" }}
{{- $_ := set $each "vcenter" (last .) }}
{{- include "vcenter-gateway.fullname" $each }}
{{- end }}

{{- define "vcenter-gateway.routerName" -}}
{{- printf "%s-router" (include "vcenter-gateway.basename" .) }}
{{- end }}

{{- /* Objects of one gateway: (list $ "NAME OF A TEMPLATE"). In a fleet, the template is rendered for each vCenter, with
values in which the vCenter's own override the common ones, and with its name as `vcenter`. */}}
{{- define "vcenter-gateway.each" -}}
{{- $context := first . }}
{{- $template := last . }}
{{- if $context.Values.vcenters }}
{{- range $name := keys $context.Values.vcenters | sortAlpha }}
{{- $own := deepCopy (default (dict) (index $context.Values.vcenters $name)) }}
{{- $values := mergeOverwrite (deepCopy (omit $context.Values "vcenters")) $own }}
{{- $each := omit $context "Values" }}
{{- $_ := set $each "Values" $values }}
{{- $_ := set $each "vcenter" $name }}
---
{{ include $template $each }}
{{- end }}
{{- else }}
{{- include $template $context }}
{{- end }}
{{- end }}

{{- define "vcenter-gateway.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride }}
{{- end }}

{{- define "vcenter-gateway.selectorLabels" -}}
app.kubernetes.io/name: {{ include "vcenter-gateway.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/component: gateway
{{- with get . "vcenter" }}
vcenter-gateway/vcenter: {{ . | quote }}
{{- end }}
{{- end }}

{{- define "vcenter-gateway.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "vcenter-gateway.basename" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- /* The metadata of an object: (dict "context" $ "name" "..." "component" "..." "labels" (list of maps) "annotations"
(list of maps) "namespace" "..."). Later maps beat earlier ones; the chart's own labels beat them all. */}}
{{- define "vcenter-gateway.metadata" -}}
{{- $context := .context }}
{{- $labels := deepCopy (default (dict) $context.Values.commonLabels) }}
{{- range compact (default (list) .labels) }}
{{- $labels = mergeOverwrite $labels (deepCopy .) }}
{{- end }}
{{- $own := dict
  "helm.sh/chart" (printf "%s-%s" $context.Chart.Name $context.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-")
  "app.kubernetes.io/name" (include "vcenter-gateway.name" $context)
  "app.kubernetes.io/instance" $context.Release.Name
  "app.kubernetes.io/version" $context.Chart.AppVersion
  "app.kubernetes.io/managed-by" $context.Release.Service
  "app.kubernetes.io/part-of" $context.Chart.Name
  "app.kubernetes.io/component" (default "gateway" .component) }}
{{- with get $context "vcenter" }}
{{- $_ := set $own "vcenter-gateway/vcenter" . }}
{{- end }}
{{- $annotations := deepCopy (default (dict) $context.Values.commonAnnotations) }}
{{- range compact (default (list) .annotations) }}
{{- $annotations = mergeOverwrite $annotations (deepCopy .) }}
{{- end -}}
name: {{ default (include "vcenter-gateway.fullname" $context) .name | quote }}
namespace: {{ default (include "vcenter-gateway.namespace" $context) .namespace | quote }}
labels:
  {{- mergeOverwrite $labels $own | toYaml | nindent 2 }}
{{- with $annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- /* An image: (dict "context" $ "image" MAP "tag" DEFAULT). A registry that a parent chart names for all its charts
replaces the repository's own, if it has one. */}}
{{- define "vcenter-gateway.imageName" -}}
{{- $repository := .image.repository }}
{{- $registry := get (default (dict) .context.Values.global) "imageRegistry" }}
{{- if $registry }}
{{- $parts := splitList "/" $repository }}
{{- if and (gt (len $parts) 1) (regexMatch "[.:]|^localhost$" (first $parts)) }}
{{- $repository = rest $parts | join "/" }}
{{- end }}
{{- $repository = printf "%s/%s" (trimSuffix "/" $registry) $repository }}
{{- end }}
{{- if .image.digest }}
{{- printf "%s@%s" $repository .image.digest }}
{{- else }}
{{- printf "%s:%s" $repository (default .tag .image.tag) }}
{{- end }}
{{- end }}

{{- define "vcenter-gateway.image" -}}
{{- include "vcenter-gateway.imageName" (dict "context" . "image" .Values.image "tag" .Chart.AppVersion) }}
{{- end }}

{{- /* The pull secrets of values and parent charts, which may give names or objects. */}}
{{- define "vcenter-gateway.imagePullSecrets" -}}
{{- $secrets := list }}
{{- range concat (default (list) (get (default (dict) .Values.global) "imagePullSecrets")) (default (list) .Values.imagePullSecrets) }}
{{- $secrets = append $secrets (kindIs "string" . | ternary (dict "name" .) .) }}
{{- end }}
{{- with $secrets | uniq }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- /* The secret with the TLS certificate; empty without TLS. */}}
{{- define "vcenter-gateway.tlsSecret" -}}
{{- if .Values.tls.enabled }}
{{- default (printf "%s-tls" (include "vcenter-gateway.fullname" .)) .Values.tls.existingSecret }}
{{- end }}
{{- end }}

{{- /* The files that come from values, as JSON: a list of (key of the values, setting, volume source). */}}
{{- define "vcenter-gateway.files" -}}
{{- $fullname := include "vcenter-gateway.fullname" . }}
{{- $settings := dict
  "vcenterPassword" "auth.password_file" "tokens" "auth.tokens_file" "jwks" "auth.jwks_file"
  "vcenterCa" "vcenter.ca_file" "clientCa" "tls.client_ca_file" }}
{{- $volumes := dict
  "vcenterPassword" "vcenter-password" "tokens" "tokens" "jwks" "jwks" "vcenterCa" "vcenter-ca" "clientCa" "client-ca" }}
{{- $files := list }}
{{- range $name := keys $settings | sortAlpha }}
{{- $given := index $.Values.secrets $name }}
{{- $volume := index $volumes $name }}
{{- $source := dict }}
{{- if $given.existingSecret }}
{{- $source = dict "secret" (dict "secretName" $given.existingSecret "defaultMode" 288) }}
{{- else if $given.existingConfigMap }}
{{- $source = dict "configMap" (dict "name" $given.existingConfigMap "defaultMode" 288) }}
{{- else if $given.value }}
{{- $source = dict "secret" (dict "secretName" (printf "%s-%s" $fullname $volume) "defaultMode" 288) }}
{{- end }}
{{- if $source }}
{{- $file := printf "/etc/vcenter-gateway/%s/%s" $volume $given.key }}
{{- $files = append $files (dict "name" $name "setting" (index $settings $name) "volume" $volume "file" $file "source" $source) }}
{{- end }}
{{- end }}
{{- if .Values.policy }}
{{- $files = append $files (dict "name" "policy" "setting" "auth.policy_file" "volume" "policy"
  "file" "/etc/vcenter-gateway/policy/policy.yaml"
  "source" (dict "configMap" (dict "name" (printf "%s-policy" $fullname) "defaultMode" 292))) }}
{{- end }}
{{- if .Values.tls.enabled }}
{{- $source := dict "secret" (dict "secretName" (include "vcenter-gateway.tlsSecret" .) "defaultMode" 288) }}
{{- $files = append $files (dict "name" "tls" "setting" "tls.cert_file" "volume" "tls"
  "file" "/etc/vcenter-gateway/tls/tls.crt" "source" $source) }}
{{- end }}
{{- toJson $files }}
{{- end }}

{{- /* Folder of the token and CA certificate of the cluster in pods. */}}
{{- define "vcenter-gateway.clusterFolder" -}}
/var/run/secrets/kubernetes.io/serviceaccount
{{- end }}

{{- /* Whether the chart mounts them itself: nothing else needs them, so Kubernetes does not mount them. */}}
{{- define "vcenter-gateway.mountsCluster" -}}
{{- if and .Values.auth.kubernetes.enabled (not .Values.automountServiceAccountToken) }}true{{ end }}
{{- end }}

{{- /* gateway.yaml, as JSON: the user's configuration and the files of the chart. */}}
{{- define "vcenter-gateway.config" -}}
{{- $config := deepCopy .Values.config }}
{{- range include "vcenter-gateway.files" . | fromJsonArray }}
{{- $path := splitList "." .setting }}
{{- $section := deepCopy (default (dict) (index $config (first $path))) }}
{{- $_ := set $section (last $path) .file }}
{{- if eq .name "tls" }}
{{- $_ := set $section "key_file" "/etc/vcenter-gateway/tls/tls.key" }}
{{- end }}
{{- $_ := set $config (first $path) $section }}
{{- end }}
{{- with .Values.auth.kubernetes }}
{{- if .enabled }}
{{- $auth := deepCopy (default (dict) $config.auth) }}
{{- $jwt := default (dict) $auth.jwt }}
{{- $issuer := dict "kubernetes" true "audience" (list .audience) }}
{{- with .issuer }}
{{- $_ := set $issuer "issuer" . }}
{{- end }}
{{- $_ := set $jwt "issuers" (append (default (list) $jwt.issuers) $issuer) }}
{{- $_ := set $auth "jwt" $jwt }}
{{- $_ := set $config "auth" $auth }}
{{- end }}
{{- end }}
{{- if .Values.simulator.enabled }}
{{- $_ := set $config "simulator" (dict "enabled" true "vms" .Values.simulator.vms) }}
{{- end }}
{{- if .Values.tracing.enabled }}
{{- $_ := set $config "tracing" (dict "enabled" true) }}
{{- end }}
{{- toJson $config }}
{{- end }}

{{- /* How long a pod takes to stop, in seconds, rounded up. */}}
{{- define "vcenter-gateway.stopSeconds" -}}
{{- $server := default (dict) .Values.config.server }}
{{- $settle := default 0 (get $server "settle_seconds") | float64 }}
{{- $grace := 30.0 }}
{{- if hasKey $server "grace_seconds" }}
{{- $grace = get $server "grace_seconds" | float64 }}
{{- end }}
{{- addf $settle $grace | ceil | int }}
{{- end }}

{{- define "vcenter-gateway.terminationGracePeriodSeconds" -}}
{{- if kindIs "invalid" .Values.terminationGracePeriodSeconds }}
{{- add (include "vcenter-gateway.stopSeconds" . | int) 15 }}
{{- else }}
{{- int .Values.terminationGracePeriodSeconds }}
{{- end }}
{{- end }}

{{- define "vcenter-gateway.workers" -}}
{{- get (default (dict) .Values.config.server) "workers" | default 1 | int }}
{{- end }}

{{- /* Number of pods of the Deployment; empty if another autoscaler decides. Without a number, Kubernetes would scale to one
pod when autoscaling is first enabled, so the number is the current one of the cluster if Helm can look it up. */}}
{{- define "vcenter-gateway.replicas" -}}
{{- if .Values.simulator.enabled }}1
{{- else if not (or .Values.autoscaling.enabled (kindIs "invalid" .Values.replicaCount)) }}
{{- int .Values.replicaCount }}
{{- else }}
{{- $namespace := include "vcenter-gateway.namespace" . }}
{{- with get (lookup "apps/v1" "Deployment" $namespace (include "vcenter-gateway.fullname" .)) "spec" }}
{{- .replicas }}
{{- end }}
{{- end }}
{{- end }}

{{- /* Millicores that a pod's workers can use: one core each, within the limit. */}}
{{- define "vcenter-gateway.usableMillicores" -}}
{{- $usable := mul 1000 (include "vcenter-gateway.workers" . | int) }}
{{- with get (default (dict) (get (default (dict) .Values.resources) "limits")) "cpu" }}
{{- $limit := toString . }}
{{- $limit = hasSuffix "m" $limit | ternary (trimSuffix "m" $limit | float64) (mulf 1000 (trimSuffix "m" $limit | float64)) }}
{{- $usable = min $usable (int $limit) }}
{{- end }}
{{- $usable }}
{{- end }}

{{- /* Whether `helm test` can succeed: if callers must present a certificate, the test needs one. */}}
{{- define "vcenter-gateway.hasTest" -}}
{{- $clientCa := or .Values.secrets.clientCa.value .Values.secrets.clientCa.existingSecret .Values.secrets.clientCa.existingConfigMap }}
{{- if and .Values.tests.enabled (or (not $clientCa) .Values.tests.clientCertificateSecret) }}true{{ end }}
{{- end }}

{{- /* Minimum number of pods in normal operation. */}}
{{- define "vcenter-gateway.leastPods" -}}
{{- if .Values.simulator.enabled }}1
{{- else if or .Values.autoscaling.enabled (kindIs "invalid" .Values.replicaCount) }}
{{- int .Values.autoscaling.minReplicas }}
{{- else }}
{{- int .Values.replicaCount }}
{{- end }}
{{- end }}

{{- /* Maximum number of concurrent pods, including new pods of a rolling update. */}}
{{- define "vcenter-gateway.mostPods" -}}
{{- $pods := int .Values.replicaCount }}
{{- if .Values.simulator.enabled }}
{{- $pods = 1 }}
{{- else if or .Values.autoscaling.enabled (kindIs "invalid" .Values.replicaCount) }}
{{- $pods = int .Values.autoscaling.maxReplicas }}
{{- end }}
{{- $strategy := default (dict) .Values.updateStrategy }}
{{- $rolling := default (dict) (get $strategy "rollingUpdate") }}
{{- $surge := 0 }}
{{- if eq (get $strategy "type" | default "RollingUpdate") "RollingUpdate" }}
{{- $surge = get $rolling "maxSurge" | default 0 }}
{{- if not (hasKey $rolling "maxSurge") }}
{{- $surge = "25%" }}
{{- end }}
{{- if hasSuffix "%" (toString $surge) }}
{{- $surge = divf (mulf (trimSuffix "%" (toString $surge) | float64) $pods) 100 | ceil | int }}
{{- end }}
{{- end }}
{{- add $pods (int $surge) }}
{{- end }}

{{- define "vcenter-gateway.identities" -}}
{{- if eq (get (default (dict) .Values.config.auth) "mode" | default "passthrough") "service-account" }}1
{{- else }}
{{- int .Values.sizing.identities }}
{{- end }}
{{- end }}

{{- define "vcenter-gateway.sessionsPerUser" -}}
{{- mul (include "vcenter-gateway.mostPods" . | int) (include "vcenter-gateway.workers" . | int) }}
{{- end }}

{{- define "vcenter-gateway.sessionsInAll" -}}
{{- mul (include "vcenter-gateway.sessionsPerUser" . | int) (include "vcenter-gateway.identities" . | int) }}
{{- end }}

{{- /* Cores of a quantity such as 500m, 2 or 1.5, rounded up. */}}
{{- define "vcenter-gateway.cores" -}}
{{- $text := toString . }}
{{- if hasSuffix "m" $text }}
{{- divf (trimSuffix "m" $text | float64) 1000 | ceil | int }}
{{- else }}
{{- float64 $text | ceil | int }}
{{- end }}
{{- end }}

{{- /* Port of vCenter: the value, that of the URL, or that of its scheme. */}}
{{- define "vcenter-gateway.vcenterPort" -}}
{{- $url := get (default (dict) .Values.config.vcenter) "url" | default "" | lower }}
{{- if .Values.networkPolicy.vcenterPort }}
{{- int .Values.networkPolicy.vcenterPort }}
{{- else if regexMatch ":[0-9]+/?$" $url }}
{{- regexFind "[0-9]+/?$" $url | trimSuffix "/" }}
{{- else }}
{{- hasPrefix "http://" $url | ternary 80 443 }}
{{- end }}
{{- end }}

{{- /* Address ranges of vCenter, as JSON: the values, or the address in its URL; empty if neither has one. */}}
{{- define "vcenter-gateway.vcenterCidrs" -}}
{{- $cidrs := .Values.networkPolicy.vcenterCidrs }}
{{- $host := get (default (dict) .Values.config.vcenter) "url" | default "" | lower | trimPrefix "https://" | trimPrefix "http://" }}
{{- if and (not $cidrs) (regexMatch "^[0-9]+(\\.[0-9]+){3}(:|/|$)" $host) }}
{{- $cidrs = list (printf "%s/32" (regexFind "^[0-9.]+" $host)) }}
{{- end }}
{{- toJson $cidrs }}
{{- end }}
