"""`--target aws-lambda`: a function as a zip where that is enough, else as a container image."""

from __future__ import annotations

from mlship.targets.contract import MIB, Layout, ModelFacts, Target, mebibytes

PYTHON = "3.13"
"""Lambda's runtime, and the tag of its base image."""
MOST_IN_ZIP = 3 * MIB
"""Bytes of a model that go into a zip: the libraries take 46 of the 50 MiB that Lambda takes in an upload."""
_LEAST, _MOST = 512, 10_240
_SPARE = 1.25


def _layout(facts: ModelFacts) -> Layout:
    image = facts.size > MOST_IN_ZIP
    own = {"Dockerfile": "Dockerfile", ".dockerignore": "dockerignore"} if image else {"build.sh": "build.sh"}
    common = {name: name for name in ("handler.py", "template.yaml", "smoke.sh", "README.md")}
    if image:
        note = (
            "The function is a container image: with this model a zip would be more than the 50 MB that Lambda takes."
        )
    else:
        note = "The function is a zip: model and libraries are less than the 50 MB that Lambda takes."
    return Layout(
        files={
            "wheelhouse.sh": "container/wheelhouse.sh",
            **{name: f"aws-lambda/{template}" for name, template in {**common, **own}.items()},
        },
        values={"image": image, "python": PYTHON, "memory": memory(facts)},
        notes=(note,),
    )


def memory(facts: ModelFacts) -> int:
    """Return the MB of a function. Its share of a processor grows with them: a whole one comes with 1,769."""
    return min(_MOST, max(_LEAST, mebibytes(facts.memory.serve * _SPARE)))


TARGET = Target("aws-lambda", "a function, its handler and a SAM template", "aws-lambda", _layout)
