"""Pictures of one run: Perfetto traces, timelines as SVG and plots."""
