"""The cluster profile and the rules say the same of who needs a GPU."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent
RULE = re.compile(r"^rule (\w+):\n(.*?)(?=^rule |\Z)", flags=re.MULTILINE | re.DOTALL)


def test_rules_that_may_use_a_gpu_ask_for_it_and_go_where_gpus_are():
    rules = {name: body for path in (ROOT / "rules").glob("*.smk") for name, body in RULE.findall(path.read_text())}
    asking = {name for name, body in rules.items() if "gpu=" in body}
    assert asking == {name for name, body in rules.items() if "device=RUN.device" in body}
    settings = yaml.safe_load((ROOT / "slurm" / "config.yaml").read_text())["set-resources"]
    assert set(settings) == asking and {block["slurm_partition"] for block in settings.values()} == {"gpu"}
