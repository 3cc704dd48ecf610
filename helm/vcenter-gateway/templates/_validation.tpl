{{- /* Contradictory values fail the installation, each with an error message, instead of the pods later. */}}
{{- define "vcenter-gateway.validate" -}}
{{- $problems := list }}
{{- $v := .Values }}
{{- $server := default (dict) $v.config.server }}
{{- $tls := default (dict) $v.config.tls }}
{{- $vcenter := default (dict) $v.config.vcenter }}
{{- $auth := default (dict) $v.config.auth }}
{{- $fullname := include "vcenter-gateway.fullname" . }}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $fullname) }}
{{- $problems = append $problems (printf "%q is not a valid Kubernetes service name, which can contain only lowercase letters, digits and hyphens, and must start with a letter: set fullnameOverride" $fullname) }}
{{- end }}
{{- $problems = concat $problems (include "vcenter-gateway.renamed" . | fromJsonArray) }}
{{- $files := dict }}
{{- range include "vcenter-gateway.files" . | fromJsonArray }}
{{- $_ := set $files .name true }}
{{- $path := splitList "." .setting }}
{{- if get (default (dict) (index $v.config (first $path))) (last $path) }}
{{- $problems = append $problems (printf "config.%s and the value %s define the same file: remove one of them" .setting (ternary (printf "secrets.%s" .name) .name (hasKey $v.secrets .name))) }}
{{- end }}
{{- end }}

{{- range $name, $given := $v.secrets }}
{{- if gt (len (compact (list $given.value $given.existingSecret (default "" $given.existingConfigMap)))) 1 }}
{{- $problems = append $problems (printf "secrets.%s has more than one source: set only one of value, existingSecret and existingConfigMap" $name) }}
{{- end }}
{{- end }}

{{- if hasKey $server "listen" }}
{{- $problems = append $problems "config.server.listen is managed by the chart: set ports.host and ports.grpc instead" }}
{{- end }}
{{- if get (default (dict) $v.config.admin) "listen" }}
{{- $problems = append $problems "config.admin.listen is managed by the chart: set ports.host and ports.admin instead" }}
{{- end }}
{{- if eq (int $v.ports.grpc) (int $v.ports.admin) }}
{{- $problems = append $problems "ports.grpc and ports.admin are the same: gRPC and the probes need separate ports" }}
{{- end }}
{{- if $v.config.simulator }}
{{- $problems = append $problems "config.simulator is managed by the chart: set simulator.enabled and simulator.vms instead" }}
{{- end }}
{{- if $v.config.tracing }}
{{- $problems = append $problems "config.tracing is managed by the chart: set tracing.enabled instead" }}
{{- end }}
{{- if and $v.tracing.endpoint (not $v.tracing.enabled) }}
{{- $problems = append $problems "tracing.endpoint is set but tracing is disabled: set tracing.enabled=true" }}
{{- end }}
{{- if and $v.tracing.enabled $v.networkPolicy.enabled (not $v.networkPolicy.extraEgress) }}
{{- $problems = append $problems "the network policy blocks traces to the collector: allow them with networkPolicy.extraEgress" }}
{{- end }}

{{- /* The text before an @ may be a password, so the message does not include the value. */}}
{{- if and $vcenter.url (not (regexMatch "^(?i)https?://[^/?#@\\s]+/?$" $vcenter.url)) }}
{{- $problems = append $problems "config.vcenter.url must consist only of a scheme, a host and optionally a port, for example https://vcenter.example.com" }}
{{- end }}
{{- if and $v.simulator.enabled $vcenter.url }}
{{- $problems = append $problems "simulator.enabled and config.vcenter.url are mutually exclusive: keep only one of them" }}
{{- end }}
{{- if not (or $v.simulator.enabled $vcenter.url) }}
{{- $problems = append $problems "no vCenter is configured: set config.vcenter.url, or simulator.enabled=true to try out the gateway without a vCenter" }}
{{- end }}
{{- if and $v.simulator.enabled $v.autoscaling.enabled }}
{{- $problems = append $problems "each simulator has its own state: disable autoscaling.enabled" }}
{{- end }}

{{- $inline := not (empty (or $v.tls.certificate $v.tls.key)) }}
{{- $sources := compact (list $v.tls.existingSecret ($inline | ternary "inline" "") ($v.tls.certManager.enabled | ternary "cert-manager" "")) }}
{{- if and $v.tls.enabled (not $sources) }}
{{- $problems = append $problems "tls.enabled requires a certificate: set tls.existingSecret, tls.certManager.enabled, or tls.certificate and tls.key" }}
{{- end }}
{{- if and $sources (not $v.tls.enabled) }}
{{- $problems = append $problems "a certificate is configured but TLS is disabled: set tls.enabled=true" }}
{{- end }}
{{- if gt (len $sources) 1 }}
{{- $problems = append $problems "more than one certificate is configured: keep only one of tls.existingSecret, tls.certManager.enabled, and tls.certificate with tls.key" }}
{{- end }}
{{- if and $inline (not (and $v.tls.certificate $v.tls.key)) }}
{{- $problems = append $problems "tls.certificate and tls.key require each other: set both" }}
{{- end }}
{{- if and $v.tls.certManager.enabled (not $v.tls.certManager.issuerRef) }}
{{- $problems = append $problems "tls.certManager.enabled requires an issuer: set tls.certManager.issuerRef" }}
{{- end }}
{{- $hasTls := or $v.tls.enabled $tls.cert_file }}
{{- $hasClientCa := or $files.clientCa $tls.client_ca_file }}
{{- if and $hasClientCa (not $hasTls) }}
{{- $problems = append $problems "callers can present certificates only over TLS: secrets.clientCa requires tls.enabled=true" }}
{{- end }}
{{- if and $auth.certificates (not $hasClientCa) }}
{{- $problems = append $problems "config.auth.certificates requires the CA certificates of the callers: set secrets.clientCa" }}
{{- end }}

{{- $hasPassword := or $files.vcenterPassword $auth.password_file }}
{{- $hasTokens := or $files.tokens $auth.tokens_file }}
{{- $hasJwks := or $files.jwks $auth.jwks_file }}
{{- $issuers := default (list) (get (default (dict) $auth.jwt) "issuers") }}
{{- $hasIssuers := or $hasJwks $issuers $v.auth.kubernetes.enabled }}
{{- if eq (default "passthrough" $auth.mode) "service-account" }}
{{- if not (or $hasTokens $hasIssuers $auth.certificates $auth.allow_anyone) }}
{{- $problems = append $problems "anyone who can reach the gateway could use the service account: set auth.kubernetes, secrets.tokens, secrets.jwks, config.auth.jwt.issuers or config.auth.certificates" }}
{{- end }}
{{- if not (or $v.simulator.enabled (and $auth.user $hasPassword)) }}
{{- $problems = append $problems "a service account requires a name and a password: set config.auth.user and secrets.vcenterPassword" }}
{{- end }}
{{- else if or $hasPassword $hasTokens $hasJwks $issuers $auth.certificates $auth.user }}
{{- $problems = append $problems "callers use their own vCenter credentials: secrets.vcenterPassword, secrets.tokens, secrets.jwks, config.auth.jwt.issuers, config.auth.user and config.auth.certificates require config.auth.mode=service-account" }}
{{- end }}
{{- if $v.auth.kubernetes.enabled }}
{{- if not $v.auth.kubernetes.audience }}
{{- $problems = append $problems "auth.kubernetes.audience is empty: the gateway must not accept tokens for the API server, which every pod has" }}
{{- end }}
{{- if ne (default "passthrough" $auth.mode) "service-account" }}
{{- $problems = append $problems "auth.kubernetes.enabled requires a service account: set config.auth.mode=service-account" }}
{{- end }}
{{- end }}
{{- range $issuers }}
{{- if .kubernetes }}
{{- $problems = append $problems "config.auth.jwt.issuers with kubernetes is managed by the chart, which mounts the required files: use auth.kubernetes instead" }}
{{- end }}
{{- end }}
{{- if and $hasJwks (not (and $auth.jwt_issuer $auth.jwt_audience)) }}
{{- $problems = append $problems "the gateway checks the issuer and audience of JWTs: set config.auth.jwt_issuer and config.auth.jwt_audience" }}
{{- end }}

{{- $workers := include "vcenter-gateway.workers" . | int }}
{{- $resources := default (dict) $v.resources }}
{{- $limit := get (default (dict) $resources.limits) "cpu" }}
{{- if $limit }}
{{- $cores := include "vcenter-gateway.cores" $limit | int }}
{{- if gt $workers $cores }}
{{- $problems = append $problems (printf "config.server.workers is %d and resources.limits.cpu is %v: each worker uses one core, and more workers than cores slow each other down; lower config.server.workers, or raise the limit or replicaCount" $workers $limit) }}
{{- end }}
{{- end }}
{{- $stop := include "vcenter-gateway.stopSeconds" . | int }}
{{- if le (include "vcenter-gateway.terminationGracePeriodSeconds" . | int) $stop }}
{{- $problems = append $problems (printf "terminationGracePeriodSeconds must exceed the %d seconds of config.server.settle_seconds and grace_seconds; otherwise, Kubernetes terminates calls in flight" $stop) }}
{{- end }}

{{- with $v.podDisruptionBudget }}
{{- if and .enabled (kindIs "invalid" .minAvailable) (kindIs "invalid" .maxUnavailable) }}
{{- $problems = append $problems "podDisruptionBudget requires minAvailable or maxUnavailable" }}
{{- end }}
{{- $pods := include "vcenter-gateway.leastPods" $ | int }}
{{- $needed := .minAvailable }}
{{- if hasSuffix "%" (toString $needed) }}
{{- $needed = divf (mulf (trimSuffix "%" $needed | float64) $pods) 100 | ceil }}
{{- end }}
{{- if and .enabled $pods (ge (int $needed) $pods) }}
{{- $problems = append $problems (printf "podDisruptionBudget.minAvailable protects all %d pods, so no node that runs one can be drained: lower it, or increase the number of pods" $pods) }}
{{- end }}
{{- end }}
{{- with $v.autoscaling }}
{{- if .enabled }}
{{- if gt (int .minReplicas) (int .maxReplicas) }}
{{- $problems = append $problems "autoscaling.minReplicas is greater than autoscaling.maxReplicas" }}
{{- end }}
{{- if not (or .targetCPUUtilizationPercentage .targetCallsInFlight .metrics) }}
{{- $problems = append $problems "autoscaling.enabled requires a target: set targetCPUUtilizationPercentage, targetCallsInFlight or metrics" }}
{{- end }}
{{- end }}
{{- end }}
{{- if and $v.tests.tokenSecret (not (and (eq (default "passthrough" $auth.mode) "service-account") (or $hasTokens $hasIssuers))) }}
{{- $problems = append $problems "tests.tokenSecret contains a caller's token: it requires secrets.tokens or JWT issuers, and config.auth.mode=service-account" }}
{{- end }}
{{- if and $v.tests.serviceAccountName (not $v.auth.kubernetes.enabled) }}
{{- $problems = append $problems "tests.serviceAccountName requires ServiceAccount tokens: set auth.kubernetes.enabled=true" }}
{{- end }}
{{- if and $v.tests.serviceAccountName $v.tests.tokenSecret }}
{{- $problems = append $problems "the test has only one identity: set only one of tests.serviceAccountName and tests.tokenSecret" }}
{{- end }}
{{- if and $v.metrics.serviceMonitor.enabled $v.metrics.podMonitor.enabled }}
{{- $problems = append $problems "metrics.serviceMonitor and metrics.podMonitor would scrape everything twice: enable only one of them" }}
{{- end }}
{{- if and $v.metrics.serviceMonitor.enabled (not $v.headlessService.enabled) }}
{{- $problems = append $problems "metrics.serviceMonitor scrapes through the headless service: set headlessService.enabled=true, or use metrics.podMonitor" }}
{{- end }}

{{- if $problems }}
{{- fail (printf "\n\nThese values are not valid together:\n  - %s\n" (join "\n  - " $problems)) }}
{{- end }}
{{- end }}

{{- /* Names that an upgrade changes, as JSON: Helm would delete the gateway and create another one under the
new name. */}}
{{- define "vcenter-gateway.renamed" -}}
{{- $problems := list }}
{{- if .Release.IsUpgrade }}
{{- $fullname := include "vcenter-gateway.fullname" . }}
{{- range get (lookup "apps/v1" "Deployment" (include "vcenter-gateway.namespace" .) "") "items" }}
{{- $labels := default (dict) .metadata.labels }}
{{- $isOurs := and (eq (get $labels "app.kubernetes.io/instance") $.Release.Name) (eq (get $labels "app.kubernetes.io/part-of") $.Chart.Name) (eq (get $labels "app.kubernetes.io/component") "gateway") }}
{{- /* vCenters can be added to a fleet and removed from it, and each has a Deployment. */}}
{{- $isOfFleet := or (get $ "vcenter") (get $labels "vcenter-gateway/vcenter") }}
{{- $hasOtherName := ne (get $labels "app.kubernetes.io/name") (include "vcenter-gateway.name" $) }}
{{- if and $isOurs (or $hasOtherName (and (not $isOfFleet) (ne .metadata.name $fullname))) }}
{{- $problems = append $problems (printf "this release has the Deployment %q, and the new nameOverride or fullnameOverride would delete it and create %q: keep the original names, or install a second release, migrate the callers, and uninstall this release" .metadata.name $fullname) }}
{{- end }}
{{- end }}
{{- end }}
{{- toJson $problems }}
{{- end }}

{{- /* Checks of the release as a whole: what is in front of the gateways. */}}
{{- define "vcenter-gateway.validateFront" -}}
{{- $problems := list }}
{{- $v := .Values }}
{{- if and $v.router.enabled (not $v.vcenters) }}
{{- $problems = append $problems "router.enabled requires a fleet: set vcenters" }}
{{- end }}
{{- if and $v.router.default (not (hasKey (default (dict) $v.vcenters) $v.router.default)) }}
{{- $problems = append $problems (printf "router.default is %q, which is not one of vcenters" $v.router.default) }}
{{- end }}
{{- if and $v.router.enabled (not $v.headlessService.enabled) }}
{{- $problems = append $problems "the router discovers the pods through the headless services: set headlessService.enabled=true" }}
{{- end }}
{{- if $v.router.enabled }}
{{- range $name := keys (default (dict) $v.vcenters) | sortAlpha }}
{{- $own := default (dict) (index $v.vcenters $name) }}
{{- $ca := merge (deepCopy (default (dict) (get (default (dict) $own.secrets) "clientCa"))) $v.secrets.clientCa }}
{{- if or $ca.value $ca.existingSecret $ca.existingConfigMap }}
{{- $problems = append $problems (printf "the router terminates TLS, so the gateway of %s would not receive callers' certificates: remove secrets.clientCa, or disable the router" $name) }}
{{- end }}
{{- end }}
{{- end }}
{{- if and $v.ingress.enabled (not $v.ingress.hosts) }}
{{- $problems = append $problems "ingress.enabled requires the host names that callers use: set ingress.hosts" }}
{{- end }}
{{- if and $v.ingress.enabled $v.vcenters (not $v.router.enabled) }}
{{- $problems = append $problems "an Ingress cannot route by metadata: set router.enabled=true, or use grpcRoute" }}
{{- end }}
{{- if and $v.grpcRoute.enabled (not $v.grpcRoute.parentRefs) }}
{{- $problems = append $problems "grpcRoute.enabled requires Gateways to attach to: set grpcRoute.parentRefs" }}
{{- end }}
{{- if $problems }}
{{- fail (printf "\n\nThese values are not valid together:\n  - %s\n" (join "\n  - " $problems)) }}
{{- end }}
{{- end }}
