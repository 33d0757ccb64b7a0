{{- define "lethe.name" -}}
{{- if contains "lethe" .Release.Name }}{{ .Release.Name | trunc 48 | trimSuffix "-" }}{{ else }}{{ printf "%s-lethe" .Release.Name | trunc 48 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "lethe.selector" -}}
app.kubernetes.io/name: lethe
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "lethe.labels" -}}
{{ include "lethe.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "lethe.image" -}}
{{ .Values.image.repository }}{{ if .Values.image.digest }}@{{ .Values.image.digest }}{{ else }}:{{ .Values.image.tag }}{{ end }}
{{- end }}

{{- define "lethe.container" -}}
image: {{ include "lethe.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  readOnlyRootFilesystem: true
  allowPrivilegeEscalation: false
  capabilities: { drop: [ALL] }
{{- end }}

{{- define "lethe.pod" -}}
# Kubernetes would tell the pod of a Service named lethe in LETHE_PORT, which is a setting of the gateway.
enableServiceLinks: false
automountServiceAccountToken: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: { type: RuntimeDefault }
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "lethe.upstream" -}}
{{- if .Values.vllm.enabled -}}
http://{{ include "lethe.name" . }}-vllm:8000/v1
{{- else -}}
{{ required "set upstream.url, or vllm.enabled" .Values.upstream.url }}
{{- end }}
{{- end }}

{{- define "lethe.database" -}}
{{- if eq .Values.database.kind "sqlite" -}}
/data/lethe.db
{{- else if eq .Values.database.kind "bundled" -}}
postgresql://lethe@{{ include "lethe.name" . }}-postgresql/lethe
{{- else -}}
{{ required "set database.url, or another database.kind" .Values.database.url }}
{{- end }}
{{- end }}

{{- define "lethe.databaseEnv" -}}
- { name: LETHE_DATABASE, value: {{ include "lethe.database" . | quote }} }
{{- if and (ne .Values.database.kind "sqlite") .Values.secrets.databasePassword }}
- name: PGPASSWORD
  valueFrom: { secretKeyRef: { name: {{ .Values.secrets.name }}, key: {{ .Values.secrets.databasePassword }} } }
{{- end }}
{{- end }}

{{- define "lethe.env" -}}
{{ include "lethe.databaseEnv" . }}
- { name: LETHE_UPSTREAM_URL, value: {{ include "lethe.upstream" . | quote }} }
{{- if .Values.vllm.enabled }}
- { name: LETHE_UPSTREAM_BAD_WORDS, value: "true" }
{{- end }}
{{- range $variable, $key := dict "LETHE_API_KEY" .Values.secrets.apiKey "LETHE_ADMIN_KEY" .Values.secrets.adminKey "LETHE_METRICS_KEY" .Values.secrets.metricsKey "LETHE_UPSTREAM_KEY" .Values.secrets.upstreamKey }}
{{- if $key }}
- name: {{ $variable }}
  valueFrom: { secretKeyRef: { name: {{ $.Values.secrets.name }}, key: {{ $key }} } }
{{- end }}
{{- end }}
{{- with .Values.telemetry.endpoint }}
- { name: LETHE_OTEL, value: "true" }
- { name: OTEL_EXPORTER_OTLP_ENDPOINT, value: {{ . | quote }} }
- { name: OTEL_SERVICE_NAME, value: lethe }
{{- end }}
{{- range $name, $value := .Values.settings }}
{{- if has $name (list "database" "upstream_url" "host" "port" "otel" "api_key" "admin_key" "metrics_key" "upstream_key" "judge_key") }}
{{- fail (printf "settings.%s is set by another value of this chart, or is a secret" $name) }}
{{- end }}
- { name: LETHE_{{ upper $name }}, value: {{ if kindIs "string" $value }}{{ $value | quote }}{{ else }}{{ $value | toJson | quote }}{{ end }} }
{{- end }}
{{- end }}
