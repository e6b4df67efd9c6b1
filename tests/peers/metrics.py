"""Reads metrics as Prometheus' own client does: families with their samples, as JSON."""

import json
import sys

from prometheus_client.parser import text_fd_to_metric_families

print(json.dumps([
    {
        "name": family.name,
        "type": family.type,
        "help": family.documentation,
        "samples": [[sample.name, sample.labels, sample.value] for sample in family.samples],
    }
    for family in text_fd_to_metric_families(sys.stdin)
]))
