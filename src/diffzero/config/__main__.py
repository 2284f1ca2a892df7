"""Write config/schema.json and docs/configuration.md: `make config-docs` runs it."""

import json
from pathlib import Path

from diffzero.config import json_schema, markdown

for path, text in (
    (Path("config/schema.json"), json.dumps(json_schema(), indent=2) + "\n"),
    (Path("docs/configuration.md"), markdown()),
):
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    print(f"wrote {path}")
