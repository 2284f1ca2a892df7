"""A parser of the binding tasks' sentences that shares no code with the prompts."""

import re

from diffzero.binding.scenes import SceneRecord

CLAUSE = re.compile(
    r"(?:on the (?P<position>left|right) is a|a)(?: (?P<size>small|large))?"
    r"(?: (?P<colour>blue|cyan|brown|gray|green|purple|red|yellow))? (?P<shape>cube|sphere|cylinder|object)"
)


def parse_sentence(sentence: str) -> list[dict[str, str]]:
    """Return the claims of each clause, e.g. [{"colour": "blue", "shape": "cube"}]; fail if the sentence is malformed."""
    assert sentence[0].isupper() and sentence.endswith(".") and sentence.count(".") == 1
    claims = []
    for clause in (sentence[0].lower() + sentence[1:-1]).split(" and "):
        match = CLAUSE.fullmatch(clause)
        assert match, sentence
        claims.append({k: v for k, v in match.groupdict().items() if v not in (None, "object")})
    return claims


def is_true(sentence: str, scene: SceneRecord) -> bool:
    """Return whether all clauses hold for different objects of the scene."""
    fits = [
        [i for i in (0, 1) if claim.items() <= vars(scene.objects[i]).items()] for claim in parse_sentence(sentence)
    ]
    return bool(fits[0]) if len(fits) == 1 else any(i != j for i in fits[0] for j in fits[1])
