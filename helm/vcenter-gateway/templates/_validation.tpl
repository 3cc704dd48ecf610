{{- /* Values that contradict each other stop the installation with a sentence each, rather than the pods later. */}}
{{- define "vcenter-gateway.validate" -}}
{{- $problems := list }}
{{- $v := .Values }}
{{- $server := default (dict) $v.config.server }}
{{- $tls := default (dict) $v.config.tls }}
{{- $vcenter := default (dict) $v.config.vcenter }}
{{- $auth := default (dict) $v.config.auth }}
{{- $fullname := include "vcenter-gateway.fullname" . }}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $fullname) }}
{{- $problems = append $problems (printf "Kubernetes takes no service named %q, only lowercase letters, digits and -, a letter first: set fullnameOverride" $fullname) }}
{{- end }}
{{- $problems = concat $problems (include "vcenter-gateway.renamed" . | fromJsonArray) }}
{{- $files := dict }}
{{- range include "vcenter-gateway.files" . | fromJsonArray }}
{{- $_ := set $files .name true }}
{{- $path := splitList "." .setting }}
{{- if get (default (dict) (index $v.config (first $path))) (last $path) }}
{{- $problems = append $problems (printf "config.%s comes from the values %s: leave one of them out" .setting .name) }}
{{- end }}
{{- end }}

{{- range $name, $given := $v.secrets }}
{{- if gt (len (compact (list $given.value $given.existingSecret (default "" $given.existingConfigMap)))) 1 }}
{{- $problems = append $problems (printf "secrets.%s is given more than once: keep one of value, existingSecret and existingConfigMap" $name) }}
{{- end }}
{{- end }}

{{- if hasKey $server "listen" }}
{{- $problems = append $problems "config.server.listen is the chart's: use ports.host and ports.grpc" }}
{{- end }}
{{- if get (default (dict) $v.config.admin) "listen" }}
{{- $problems = append $problems "config.admin.listen is the chart's: use ports.host and ports.admin" }}
{{- end }}
{{- if eq (int $v.ports.grpc) (int $v.ports.admin) }}
{{- $problems = append $problems "ports.grpc and ports.admin are the same: gRPC and the probes need a port each" }}
{{- end }}
{{- if $v.config.simulator }}
{{- $problems = append $problems "config.simulator is the chart's: use simulator.enabled and simulator.vms" }}
{{- end }}
{{- if $v.config.tracing }}
{{- $problems = append $problems "config.tracing is the chart's: use tracing.enabled" }}
{{- end }}
{{- if and $v.tracing.endpoint (not $v.tracing.enabled) }}
{{- $problems = append $problems "there is a collector but tracing is off: set tracing.enabled=true" }}
{{- end }}
{{- if and $v.tracing.enabled $v.networkPolicy.enabled (not $v.networkPolicy.extraEgress) }}
{{- $problems = append $problems "the network policy keeps traces from the collector: let them out by networkPolicy.extraEgress" }}
{{- end }}

{{- /* What stands before an @ may be a password: the value itself is not said. */}}
{{- if and $vcenter.url (not (regexMatch "^(?i)https?://[^/?#@\\s]+/?$" $vcenter.url)) }}
{{- $problems = append $problems "config.vcenter.url is scheme, host and optionally port, nothing else, for example https://vcenter.example.com" }}
{{- end }}
{{- if and $v.simulator.enabled $vcenter.url }}
{{- $problems = append $problems "simulator.enabled and config.vcenter.url exclude each other: keep one of them" }}
{{- end }}
{{- if not (or $v.simulator.enabled $vcenter.url) }}
{{- $problems = append $problems "there is no vCenter: set config.vcenter.url, or simulator.enabled=true for a playground" }}
{{- end }}
{{- if and $v.simulator.enabled $v.autoscaling.enabled }}
{{- $problems = append $problems "each simulator has a state of its own: leave out autoscaling.enabled" }}
{{- end }}

{{- $inline := not (empty (or $v.tls.certificate $v.tls.key)) }}
{{- $sources := compact (list $v.tls.existingSecret ($inline | ternary "inline" "") ($v.tls.certManager.enabled | ternary "cert-manager" "")) }}
{{- if and $v.tls.enabled (not $sources) }}
{{- $problems = append $problems "tls.enabled needs a certificate: set tls.existingSecret, tls.certManager.enabled, or tls.certificate and tls.key" }}
{{- end }}
{{- if and $sources (not $v.tls.enabled) }}
{{- $problems = append $problems "there is a certificate but TLS is off: set tls.enabled=true" }}
{{- end }}
{{- if gt (len $sources) 1 }}
{{- $problems = append $problems "there is more than one certificate: keep one of tls.existingSecret, tls.certManager.enabled, and tls.certificate with tls.key" }}
{{- end }}
{{- if and $inline (not (and $v.tls.certificate $v.tls.key)) }}
{{- $problems = append $problems "tls.certificate and tls.key belong together: give both" }}
{{- end }}
{{- if and $v.tls.certManager.enabled (not $v.tls.certManager.issuerRef) }}
{{- $problems = append $problems "tls.certManager.enabled needs an issuer: set tls.certManager.issuerRef" }}
{{- end }}
{{- $hasTls := or $v.tls.enabled $tls.cert_file }}
{{- $hasClientCa := or $files.clientCa $tls.client_ca_file }}
{{- if and $hasClientCa (not $hasTls) }}
{{- $problems = append $problems "callers show certificates over TLS only: secrets.clientCa needs tls.enabled=true" }}
{{- end }}
{{- if and $auth.certificates (not $hasClientCa) }}
{{- $problems = append $problems "config.auth.certificates needs the callers' authorities: set secrets.clientCa" }}
{{- end }}

{{- $hasPassword := or $files.vcenterPassword $auth.password_file }}
{{- $hasTokens := or $files.tokens $auth.tokens_file }}
{{- $hasJwks := or $files.jwks $auth.jwks_file }}
{{- $issuers := default (list) (get (default (dict) $auth.jwt) "issuers") }}
{{- $hasIssuers := or $hasJwks $issuers $v.auth.kubernetes.enabled }}
{{- if eq (default "passthrough" $auth.mode) "service-account" }}
{{- if not (or $hasTokens $hasIssuers $auth.certificates $auth.allow_anyone) }}
{{- $problems = append $problems "anybody who reaches the gateway could use the service account: set auth.kubernetes, secrets.tokens, secrets.jwks, config.auth.jwt.issuers or config.auth.certificates" }}
{{- end }}
{{- if not (or $v.simulator.enabled (and $auth.user $hasPassword)) }}
{{- $problems = append $problems "a service account has a name and a password: set config.auth.user and secrets.vcenterPassword" }}
{{- end }}
{{- else if or $hasPassword $hasTokens $hasJwks $issuers $auth.certificates $auth.user }}
{{- $problems = append $problems "callers bring their own vCenter identity: secrets.vcenterPassword, secrets.tokens, secrets.jwks, config.auth.jwt.issuers, config.auth.user and config.auth.certificates need config.auth.mode=service-account" }}
{{- end }}
{{- if $v.auth.kubernetes.enabled }}
{{- if not $v.auth.kubernetes.audience }}
{{- $problems = append $problems "auth.kubernetes.audience is empty: tokens for the API server itself, which every pod has, must not be good here" }}
{{- end }}
{{- if ne (default "passthrough" $auth.mode) "service-account" }}
{{- $problems = append $problems "auth.kubernetes.enabled is for callers of a service account: set config.auth.mode=service-account" }}
{{- end }}
{{- end }}
{{- range $issuers }}
{{- if .kubernetes }}
{{- $problems = append $problems "config.auth.jwt.issuers with kubernetes is the chart's, which mounts what it needs: use auth.kubernetes" }}
{{- end }}
{{- end }}
{{- if and $hasJwks (not (and $auth.jwt_issuer $auth.jwt_audience)) }}
{{- $problems = append $problems "a JWT is checked for its issuer and its audience: set config.auth.jwt_issuer and config.auth.jwt_audience" }}
{{- end }}

{{- $workers := include "vcenter-gateway.workers" . | int }}
{{- $resources := default (dict) $v.resources }}
{{- $limit := get (default (dict) $resources.limits) "cpu" }}
{{- if $limit }}
{{- $cores := include "vcenter-gateway.cores" $limit | int }}
{{- if gt $workers $cores }}
{{- $problems = append $problems (printf "config.server.workers is %d and resources.limits.cpu %v: a worker takes a core, more of them only slow each other down; raise the limit or replicaCount" $workers $limit) }}
{{- end }}
{{- end }}
{{- $stop := include "vcenter-gateway.stopSeconds" . | int }}
{{- if le (include "vcenter-gateway.terminationGracePeriodSeconds" . | int) $stop }}
{{- $problems = append $problems (printf "terminationGracePeriodSeconds must be more than the %d seconds of config.server.settle_seconds and grace_seconds, or calls are cut off" $stop) }}
{{- end }}

{{- with $v.podDisruptionBudget }}
{{- if and .enabled (kindIs "invalid" .minAvailable) (kindIs "invalid" .maxUnavailable) }}
{{- $problems = append $problems "podDisruptionBudget needs minAvailable or maxUnavailable" }}
{{- end }}
{{- $pods := include "vcenter-gateway.leastPods" $ | int }}
{{- $needed := .minAvailable }}
{{- if hasSuffix "%" (toString $needed) }}
{{- $needed = divf (mulf (trimSuffix "%" $needed | float64) $pods) 100 | ceil }}
{{- end }}
{{- if and .enabled $pods (ge (int $needed) $pods) }}
{{- $problems = append $problems (printf "podDisruptionBudget.minAvailable keeps all of %d pods, so that no node can ever be drained: lower it, or raise the number of pods" $pods) }}
{{- end }}
{{- end }}
{{- with $v.autoscaling }}
{{- if .enabled }}
{{- if gt (int .minReplicas) (int .maxReplicas) }}
{{- $problems = append $problems "autoscaling.minReplicas is more than autoscaling.maxReplicas" }}
{{- end }}
{{- if not (or .targetCPUUtilizationPercentage .targetCallsInFlight .metrics) }}
{{- $problems = append $problems "autoscaling.enabled needs something to go by: targetCPUUtilizationPercentage, targetCallsInFlight or metrics" }}
{{- end }}
{{- end }}
{{- end }}
{{- if and $v.tests.tokenSecret (not (and (eq (default "passthrough" $auth.mode) "service-account") (or $hasTokens $hasIssuers))) }}
{{- $problems = append $problems "tests.tokenSecret has the token of a caller: it needs secrets.tokens or issuers of JWTs, and config.auth.mode=service-account" }}
{{- end }}
{{- if and $v.tests.serviceAccountName (not $v.auth.kubernetes.enabled) }}
{{- $problems = append $problems "tests.serviceAccountName calls with its token: set auth.kubernetes.enabled=true" }}
{{- end }}
{{- if and $v.tests.serviceAccountName $v.tests.tokenSecret }}
{{- $problems = append $problems "the test calls as one caller: keep one of tests.serviceAccountName and tests.tokenSecret" }}
{{- end }}
{{- if and $v.metrics.serviceMonitor.enabled $v.metrics.podMonitor.enabled }}
{{- $problems = append $problems "metrics.serviceMonitor and metrics.podMonitor would scrape everything twice: keep one of them" }}
{{- end }}
{{- if and $v.metrics.serviceMonitor.enabled (not $v.headlessService.enabled) }}
{{- $problems = append $problems "metrics.serviceMonitor scrapes through the headless service: set headlessService.enabled=true, or use metrics.podMonitor" }}
{{- end }}

{{- if $problems }}
{{- fail (printf "\n\nThese values do not fit together:\n  - %s\n" (join "\n  - " $problems)) }}
{{- end }}
{{- end }}

{{- /* Names of an upgrade that are not those of the installation, as JSON: Kubernetes would be told to delete the gateway
and to start another under the new name. */}}
{{- define "vcenter-gateway.renamed" -}}
{{- $problems := list }}
{{- if .Release.IsUpgrade }}
{{- $fullname := include "vcenter-gateway.fullname" . }}
{{- range get (lookup "apps/v1" "Deployment" (include "vcenter-gateway.namespace" .) "") "items" }}
{{- $labels := default (dict) .metadata.labels }}
{{- $isOurs := and (eq (get $labels "app.kubernetes.io/instance") $.Release.Name) (eq (get $labels "app.kubernetes.io/part-of") $.Chart.Name) (eq (get $labels "app.kubernetes.io/component") "gateway") }}
{{- /* A fleet may get and lose vCenters, each of which has a Deployment. */}}
{{- $isOfFleet := or (get $ "vcenter") (get $labels "vcenter-gateway/vcenter") }}
{{- $hasOtherName := ne (get $labels "app.kubernetes.io/name") (include "vcenter-gateway.name" $) }}
{{- if and $isOurs (or $hasOtherName (and (not $isOfFleet) (ne .metadata.name $fullname))) }}
{{- $problems = append $problems (printf "this release has the Deployment %q, and nameOverride or fullnameOverride would delete it to make %q: keep the names that it was installed with, or install a second release and uninstall this one when callers have moved" .metadata.name $fullname) }}
{{- end }}
{{- end }}
{{- end }}
{{- toJson $problems }}
{{- end }}

{{- /* What is about the release as a whole, in front of the gateways. */}}
{{- define "vcenter-gateway.validateFront" -}}
{{- $problems := list }}
{{- $v := .Values }}
{{- if and $v.router.enabled (not $v.vcenters) }}
{{- $problems = append $problems "router.enabled is for a fleet: set vcenters" }}
{{- end }}
{{- if and $v.router.default (not (hasKey (default (dict) $v.vcenters) $v.router.default)) }}
{{- $problems = append $problems (printf "router.default is %q, which vcenters does not have" $v.router.default) }}
{{- end }}
{{- if and $v.router.enabled (not $v.headlessService.enabled) }}
{{- $problems = append $problems "the router finds the pods by the headless services: set headlessService.enabled=true" }}
{{- end }}
{{- if $v.router.enabled }}
{{- range $name := keys (default (dict) $v.vcenters) | sortAlpha }}
{{- $own := default (dict) (index $v.vcenters $name) }}
{{- $ca := merge (deepCopy (default (dict) (get (default (dict) $own.secrets) "clientCa"))) $v.secrets.clientCa }}
{{- if or $ca.value $ca.existingSecret $ca.existingConfigMap }}
{{- $problems = append $problems (printf "callers' certificates end at the router, and the gateway of %s would see none: leave out secrets.clientCa, or the router" $name) }}
{{- end }}
{{- end }}
{{- end }}
{{- if and $v.ingress.enabled (not $v.ingress.hosts) }}
{{- $problems = append $problems "ingress.enabled needs the names that callers use: set ingress.hosts" }}
{{- end }}
{{- if and $v.ingress.enabled $v.vcenters (not $v.router.enabled) }}
{{- $problems = append $problems "an Ingress cannot choose by metadata: set router.enabled=true, or use grpcRoute" }}
{{- end }}
{{- if and $v.grpcRoute.enabled (not $v.grpcRoute.parentRefs) }}
{{- $problems = append $problems "grpcRoute.enabled needs the Gateways that take it: set grpcRoute.parentRefs" }}
{{- end }}
{{- if $problems }}
{{- fail (printf "\n\nThese values do not fit together:\n  - %s\n" (join "\n  - " $problems)) }}
{{- end }}
{{- end }}
