"""Many scenarios: sweeps and their results files, the characterisation study, findings, queries and reports."""
