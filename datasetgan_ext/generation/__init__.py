"""The batch job: a run that survives interruption, its executors, curation, upload."""
