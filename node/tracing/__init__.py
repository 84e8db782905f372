"""Where the spans of a node go; nothing of OpenTelemetry's SDK is loaded unless tracing is on."""
