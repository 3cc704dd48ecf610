{{- /* Labels of the router's pods. No gateway's selector matches them. */}}
{{- define "vcenter-gateway.routerLabels" -}}
app.kubernetes.io/name: {{ include "vcenter-gateway.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/component: router
{{- end }}

{{- /* A route that rejects a call: (list MATCHES "MESSAGE"). No HTTP status maps to INVALID_ARGUMENT, hence the
headers. */}}
{{- define "vcenter-gateway.refusal" -}}
- match: {{ first . | toJson }}
  direct_response: {status: 200}
  response_headers_to_add:
    - {header: {key: content-type, value: application/grpc}, append_action: OVERWRITE_IF_EXISTS_OR_ADD}
    - {header: {key: grpc-status, value: "3"}, append_action: OVERWRITE_IF_EXISTS_OR_ADD}
    - {header: {key: grpc-message, value: {{ last . | replace "%" "%25" | quote }}}, append_action: OVERWRITE_IF_EXISTS_OR_ADD}
{{- end }}

{{- /* A route to a vCenter: (list MATCH NAME). Calls and streams end at the deadline that their callers set. */}}
{{- define "vcenter-gateway.route" -}}
- match: {{ first . | toJson }}
  route:
    cluster: {{ last . | quote }}
    timeout: 0s
    max_stream_duration: {grpc_timeout_header_max: 0s}
{{- end }}

{{- /* Envoy's configuration. */}}
{{- define "vcenter-gateway.routerConfig" -}}
{{- $names := keys .Values.vcenters | sortAlpha }}
{{- $namespace := include "vcenter-gateway.namespace" . }}
{{- $any := dict "prefix" "/" }}
{{- $named := dict "prefix" "/" "headers" (list (dict "name" "x-vcenter" "present_match" true)) -}}
node: {id: router, cluster: {{ include "vcenter-gateway.basename" . | quote }}}
admin:
  address: {socket_address: {address: 127.0.0.1, port_value: 9901}}
static_resources:
  listeners:
    - name: calls
      address: {socket_address: {address: {{ .Values.ports.host | trimAll "[]" | quote }}, port_value: {{ .Values.ports.grpc }}}}
      per_connection_buffer_limit_bytes: 1048576
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: calls
                codec_type: HTTP2
                http2_protocol_options:
                  max_concurrent_streams: 1000
                  connection_keepalive: {interval: 60s, timeout: 20s}
                # Clients reconnect, which balances connections across new pods of the router.
                common_http_protocol_options: {max_connection_duration: 300s, idle_timeout: 3600s}
                stream_idle_timeout: 0s
                use_remote_address: true
                normalize_path: true
                server_name: vcenter-gateway-router
                request_headers_timeout: 10s
                route_config:
                  name: vcenters
                  virtual_hosts:
                    - name: all
                      domains: ["*"]
                      routes:
                        {{- range $names }}
                        {{- $match := dict "prefix" "/" "headers" (list (dict "name" "x-vcenter" "string_match" (dict "exact" .))) }}
                        {{- include "vcenter-gateway.route" (list $match .) | nindent 24 }}
                        {{- end }}
                        {{- include "vcenter-gateway.refusal" (list $named (printf "unknown vCenter in the metadata x-vcenter; this gateway serves %s" (join ", " $names))) | nindent 24 }}
                        {{- if .Values.router.default }}
                        {{- include "vcenter-gateway.route" (list $any .Values.router.default) | nindent 24 }}
                        {{- else }}
                        {{- include "vcenter-gateway.refusal" (list $any (printf "the call does not select a vCenter; set the metadata x-vcenter to one of %s" (join ", " $names))) | nindent 24 }}
                        {{- end }}
                http_filters:
                  - name: envoy.filters.http.router
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
          {{- if .Values.router.tlsSecret }}
          transport_socket:
            name: envoy.transport_sockets.tls
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
              common_tls_context:
                alpn_protocols: [h2]
                tls_params: {tls_minimum_protocol_version: TLSv1_2}
                tls_certificate_sds_secret_configs:
                  - name: certificate
                    sds_config:
                      path_config_source: {path: /etc/envoy/certificate.yaml}
                      resource_api_version: V3
          {{- end }}
    - name: probes
      address: {socket_address: {address: {{ .Values.ports.host | trimAll "[]" | quote }}, port_value: {{ .Values.ports.admin }}}}
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: probes
                route_config:
                  virtual_hosts:
                    - name: all
                      domains: ["*"]
                      routes:
                        - match: {path: /healthz}
                          direct_response: {status: 200}
                        # Exposes nothing else of Envoy's admin interface, which can also change Envoy's state.
                        - match: {path: /metrics}
                          route: {cluster: own-admin-port, prefix_rewrite: /stats/prometheus}
                http_filters:
                  - name: envoy.filters.http.router
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
  clusters:
    {{- range $names }}
    {{- $name := include "vcenter-gateway.nameOf" (list $ .) }}
    - name: {{ . | quote }}
      cluster_type:
        name: envoy.cluster.dns
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.clusters.dns.v3.DnsCluster
          dns_refresh_rate: 5s
          dns_failure_refresh_rate: {base_interval: 1s, max_interval: 5s}
      connect_timeout: 5s
      lb_policy: LEAST_REQUEST
      typed_extension_protocol_options:
        envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
          "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
          explicit_http_config: {http2_protocol_options: {connection_keepalive: {interval: 60s, timeout: 20s}}}
      # A gateway that is about to stop reports this here before DNS and services are updated.
      health_checks:
        - timeout: 2s
          interval: 2s
          no_traffic_interval: 2s
          unhealthy_threshold: 1
          healthy_threshold: 1
          grpc_health_check: {}
      # If all are unhealthy, none receives calls: callers get an error that this vCenter's gateway is unavailable.
      common_lb_config: {healthy_panic_threshold: {value: 0}}
      circuit_breakers:
        thresholds: [{max_connections: 1024, max_requests: 10000, max_pending_requests: 10000}]
      load_assignment:
        cluster_name: {{ . | quote }}
        endpoints:
          - lb_endpoints:
              - endpoint:
                  address: {socket_address: {address: "{{ $name }}-headless.{{ $namespace }}.svc.{{ $.Values.router.clusterDomain }}", port_value: {{ $.Values.service.port }}}}
      {{- if $.Values.tls.enabled }}
      transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
          sni: "{{ $name }}.{{ $namespace }}.svc"
          common_tls_context:
            alpn_protocols: [h2]
            validation_context:
              trusted_ca: {filename: "/etc/envoy-ca/{{ . }}/ca.crt", watched_directory: {path: "/etc/envoy-ca/{{ . }}"}}
              match_typed_subject_alt_names:
                - {san_type: DNS, matcher: {exact: "{{ $name }}.{{ $namespace }}.svc"}}
      {{- end }}
    {{- end }}
    - name: own-admin-port
      type: STATIC
      load_assignment:
        cluster_name: own-admin-port
        endpoints:
          - lb_endpoints:
              - endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 9901}}}
overload_manager:
  resource_monitors:
    - name: envoy.resource_monitors.global_downstream_max_connections
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig
        max_active_downstream_connections: 10000
{{- end }}

{{- /* Location of the router's certificate. Envoy reloads it when the Secret changes. */}}
{{- define "vcenter-gateway.routerCertificate" -}}
resources:
  - "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret
    name: certificate
    tls_certificate:
      certificate_chain: {filename: /etc/envoy-tls/tls.crt}
      private_key: {filename: /etc/envoy-tls/tls.key}
      watched_directory: {path: /etc/envoy-tls}
{{- end }}
