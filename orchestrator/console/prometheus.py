"""Prometheus' text format, version 0.0.4 (https://prometheus.io/docs/instrumenting/exposition_formats/)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf, isnan

from orchestrator.domain.printable import printable

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True)
class Sample:
    """One value with its labels."""

    value: float
    labels: Mapping[str, str]


@dataclass(frozen=True)
class Gauge:
    """A metric that may rise and fall. What the ledger has is never a counter: old records leave it.

    Attributes:
        help: what it is, in one sentence.
    """

    name: str
    help: str
    samples: tuple[Sample, ...]


def gauge(name: str, words: str, *values: tuple[float | bool | None, Mapping[str, str]]) -> Gauge:
    """Return a gauge. A value that is None was not measured, so it has no sample."""
    return Gauge(name, words, tuple(Sample(float(value), labels) for value, labels in values if value is not None))


def render_metrics(gauges: Iterable[Gauge], **common: str) -> str:
    """Return gauges as text; `common` are labels of every sample. A gauge without samples is left out."""
    lines: list[str] = []
    for one in gauges:
        if one.samples:
            lines += [f"# HELP {one.name} {_escaped(one.help)}", f"# TYPE {one.name} gauge"]
            lines += [
                f"{one.name}{_labels({**common, **sample.labels})} {_number(sample.value)}" for sample in one.samples
            ]
    return "".join(f"{line}\n" for line in lines)


def _labels(labels: Mapping[str, str]) -> str:
    quoted = (f'{name}="{_quoted(value)}"' for name, value in labels.items())
    return f"{{{','.join(quoted)}}}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _quoted(text: str) -> str:
    return _escaped(printable(text)).replace('"', '\\"')


def _number(value: float) -> str:
    if isnan(value):
        return "NaN"
    if value in {inf, -inf}:
        return "+Inf" if value > 0 else "-Inf"
    return f"{value:.15g}"
