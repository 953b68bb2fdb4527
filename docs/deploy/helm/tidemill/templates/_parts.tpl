{{- /* What an object is called, and the labels of its part: (list $ "scheduler"). */ -}}
{{- define "tidemill.name" -}}
{{ printf "%s-%s" (index . 0).Release.Name (index . 1 | lower | replace "_" "-") | trunc 52 | trimSuffix "-" }}
{{- end }}

{{- define "tidemill.selector" -}}
app.kubernetes.io/name: tidemill
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 | lower | replace "_" "-" }}
{{- end }}

{{- define "tidemill.labels" -}}
{{ include "tidemill.selector" . }}
app.kubernetes.io/version: {{ (index . 0).Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ (index . 0).Release.Service }}
{{- end }}

{{- /* Nobody is root, and nobody speaks to Kubernetes. */ -}}
{{- define "tidemill.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 1000
  runAsGroup: 1000
  fsGroup: 1000
  seccompProfile: { type: RuntimeDefault }
{{- end }}

{{- define "tidemill.container" -}}
image: "{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}"
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  readOnlyRootFilesystem: true
  allowPrivilegeEscalation: false
  capabilities: { drop: [ALL] }
{{- end }}

{{- define "tidemill.probes" -}}
ports: [{ name: health, containerPort: 8080 }]
livenessProbe:
  httpGet: { path: /livez, port: health }
  periodSeconds: 10
  failureThreshold: 6
readinessProbe:
  httpGet: { path: /readyz, port: health }
  periodSeconds: 5
{{- end }}

{{- define "tidemill.postgres" -}}
- name: TIDEMILL_POSTGRES
  valueFrom:
    secretKeyRef: { name: {{ .Values.postgres.secret }}, key: {{ .Values.postgres.key }} }
{{- end }}

{{- /* How to get into NATS: (list $ nats), whose files are those of `nats.secret`. */ -}}
{{- define "tidemill.nats" -}}
- { name: TIDEMILL_NATS, value: {{ (index . 0).Values.nats.url | quote }} }
{{- range $what, $file := (index . 1).files }}
- { name: TIDEMILL_NATS_{{ upper $what }}, value: {{ printf "/etc/tidemill/nats/%s" $file | quote }} }
{{- end }}
{{- end }}
